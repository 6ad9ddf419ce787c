package freeport

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ranges lie below the single ports, so that no test takes a port that somebody's range needs in a moment.
const (
	firstRange = 10_000
	rangeSize  = 512
	ranges     = (first - firstRange) / rangeSize
)

// Range returns the first of 511 ports of 127.0.0.1 on which nobody listens. Who takes one holds the last port of it
// until they release it, so no other program that asks here gets the same.
func Range() (base int, release io.Closer, err error) {
	for _, i := range rand.Perm(ranges) {
		base = firstRange + i*rangeSize
		if release, err = take(base); err == nil {
			return base, release, nil
		}
	}
	return 0, nil, fmt.Errorf("find %d free ports: %w", rangeSize, err)
}

// take holds the guard of a range whose other ports are free.
func take(base int) (io.Closer, error) {
	guard, err := listen(base + rangeSize - 1)
	if err != nil {
		return nil, err
	}
	for port := base; port < base+rangeSize-1; port++ {
		l, err := listen(port)
		if err != nil {
			return nil, errors.Join(err, guard.Close())
		}
		_ = l.Close()
	}
	return guard, nil
}

func listen(port int) (net.Listener, error) {
	return net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
}
