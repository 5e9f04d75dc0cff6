// lookups.js DOMAIN MILLISECONDS WAY...: look up h1.DOMAIN, h2.DOMAIN, ... with dns.WAY, one after the other, for ever.
"use strict";
const dns = require("node:dns").promises;
const [domain, pause, ...ways] = process.argv.slice(2);

(async () => {
    for (let number = 1; ; number++) {
        for (const way of ways) {
            await dns[way](`${way}${number}.${domain}`).then(
                (found) => console.log(way, JSON.stringify(found)),
                (error) => console.log(way, error.code),
            );
        }
        await new Promise((done) => setTimeout(done, Number(pause)));
    }
})();
