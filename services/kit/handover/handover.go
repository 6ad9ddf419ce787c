// Package handover lets a new process take over the listening sockets of an old one: no connection is refused between
// the two. A supervisor starts each process with a Unix socket. It sends the listening sockets of the process before,
// if there is one, and the process sends its own when it listens on all of them. Without such a supervisor a process
// simply listens.
package handover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
)

// FD is the variable with the number of the open file that is a process's socket to its supervisor.
const FD = "HANDOVER_FD"

// Ports are the ports on which a process listens.
type Ports struct {
	supervisor *net.UnixConn // nil: there is none
	inherited  []net.Listener
	own        []net.Listener
}

// Open takes over what the supervisor sends.
func Open() (*Ports, error) {
	text := os.Getenv(FD)
	if text == "" {
		return &Ports{}, nil
	}
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 3 {
		return nil, fmt.Errorf("%s=%q is not the number of a file", FD, text)
	}
	conn, err := unixConn(os.NewFile(uintptr(fd), "supervisor"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", FD, err)
	}
	p := &Ports{supervisor: conn}
	fds, err := Receive(conn)
	if err != nil {
		return nil, fmt.Errorf("take over sockets: %w", err)
	}
	for _, fd := range fds {
		f := os.NewFile(uintptr(fd), "inherited")
		l, err := net.FileListener(f) // has a file of its own
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("take over a socket: %w", err)
		}
		p.inherited = append(p.inherited, l)
	}
	return p, nil
}

// Listen listens at a TCP address, if it can with the socket of the process before.
func (p *Ports) Listen(addr string) (l net.Listener, err error) {
	for _, old := range p.inherited {
		if old.Addr().String() == addr {
			l = old
		}
	}
	if l == nil {
		if l, err = new(net.ListenConfig).Listen(context.Background(), "tcp", addr); err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
	}
	p.own = append(p.own, l)
	return l, nil
}

// Ready says that this process listens on all its ports: the old one may end. Call it once.
func (p *Ports) Ready() error {
	if p.supervisor == nil {
		return nil
	}
	var fds []int
	for _, l := range p.own {
		raw, err := l.(*net.TCPListener).SyscallConn()
		if err == nil {
			// Not File: its Fd would make the socket block, here and in all processes that have it.
			err = raw.Control(func(fd uintptr) { fds = append(fds, int(fd)) })
		}
		if err != nil {
			return err
		}
	}
	if err := errors.Join(Send(p.supervisor, fds), p.supervisor.Close()); err != nil {
		return fmt.Errorf("say that this process listens: %w", err)
	}
	return nil
}
