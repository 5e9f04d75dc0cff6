// two_ways DOMAIN MILLISECONDS: look up h1.DOMAIN with glibc's resolver (GODEBUG=netdns=cgo), then h2.DOMAIN, h3.DOMAIN, ...
// with Go's own, for ever.
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
	for number := 1; ; number++ {
		resolver := net.Resolver{PreferGo: number > 1}
		found, err := resolver.LookupHost(context.Background(), fmt.Sprintf("h%d.%s.", number, os.Args[1]))
		fmt.Println(found, err)
		time.Sleep(time.Duration(pause) * time.Millisecond)
	}
}
