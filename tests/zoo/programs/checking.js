// checking.js DOMAIN MILLISECONDS: look up h1.DOMAIN, h2.DOMAIN, ... with c-ares, for ever. c-ares keeps its nameservers;
// they are set anew if resolv.conf, which is checked first (libuv: statx(2)), has another time.
"use strict";
const dns = require("node:dns").promises;
const fs = require("node:fs");
const [domain, pause] = process.argv.slice(2);
const FILE = "/etc/resolv.conf";

(async () => {
    let read = fs.statSync(FILE).mtimeMs;
    for (let number = 1; ; number++) {
        const { mtimeMs } = fs.statSync(FILE);
        if (mtimeMs !== read) {
            const found = fs.readFileSync(FILE, "utf8").matchAll(/^nameserver (\S+)/gm);
            dns.setServers(Array.from(found, (line) => line[1]));
            read = mtimeMs;
        }
        await dns.resolve4(`h${number}.${domain}`).then(
            (found) => console.log(JSON.stringify(found)),
            (error) => console.log(error.code),
        );
        await new Promise((done) => setTimeout(done, Number(pause)));
    }
})();
