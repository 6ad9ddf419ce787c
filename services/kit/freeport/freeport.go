// Package freeport finds ports for servers of tests.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports that Linux gives to outgoing connections begin at 32768 (ip_local_port_range). Above it, somebody's connection may take a
// port before the server does that it was found for.
const first, last = 20_000, 32_000

// Find gives a port of 127.0.0.1 on which nobody listens.
func Find() (port int, err error) {
	for range 100 {
		port = first + rand.N(last-first)
		var l net.Listener
		if l, err = listen(port); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("find a free port: %w", err)
}
