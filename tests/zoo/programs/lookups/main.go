// lookups DOMAIN MILLISECONDS [FIRST]: look up h1.DOMAIN, h2.DOMAIN, ... with Go's own resolver, for ever; the FIRST of them
// by glibc's, if GODEBUG=netdns=cgo.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

func number(text string) int {
	found, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return found
}

func main() {
	pause, first := time.Duration(number(os.Args[2]))*time.Millisecond, 0
	if len(os.Args) > 3 {
		first = number(os.Args[3])
	}
	for host := 1; ; host++ {
		resolver := net.Resolver{PreferGo: host > first}
		found, err := resolver.LookupHost(context.Background(), fmt.Sprintf("h%d.%s.", host, os.Args[1]))
		fmt.Println(found, err)
		time.Sleep(pause)
	}
}
