// Package freeport finds ports for servers of tests.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// Linux returns ports from 32768 (ip_local_port_range) to outgoing connections. Above it, a connection may take a port
// before the server for which it was found.
const first, last = 20_000, 32_000

// Find returns a port of 127.0.0.1 on which nobody listens.
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
