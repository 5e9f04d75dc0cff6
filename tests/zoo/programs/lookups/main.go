// lookups DOMAIN MILLISECONDS: look up h1.DOMAIN, h2.DOMAIN, ... with Go's own resolver, for ever.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

func main() {
	pause, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	resolver := net.Resolver{PreferGo: true}
	for number := 1; ; number++ {
		found, err := resolver.LookupHost(context.Background(), fmt.Sprintf("h%d.%s.", number, os.Args[1]))
		fmt.Println(found, err)
		time.Sleep(time.Duration(pause) * time.Millisecond)
	}
}
