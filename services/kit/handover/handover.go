// Package handover lets a new process take over the listening sockets of an old one: no connection is refused between
// the two. A supervisor starts each process with a Unix socket. It sends the listening sockets of the process before,
// if there is one; the process reports when it listens, and sends its own sockets when it is asked for them. So nobody
// else has them while it serves: if it crashes, connections are refused at once. Without such a supervisor a process
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

// Ready reports that this process listens on all its ports: the old one may end. From now on the process sends its
// sockets whenever the supervisor asks for them, for the one that will take its place. Call Ready once.
func (p *Ports) Ready() error {
	if p.supervisor == nil {
		return nil
	}
	if err := Send(p.supervisor, nil); err != nil {
		return fmt.Errorf("report that this process listens: %w", err)
	}
	go p.sendOnRequest()
	return nil
}

// sendOnRequest ends with the supervisor, or when this process no longer listens.
func (p *Ports) sendOnRequest() {
	defer p.supervisor.Close() //nolint:errcheck // there is nothing more to say
	for {
		if _, err := Receive(p.supervisor); err != nil {
			return
		}
		fds, err := p.fds()
		if err != nil || Send(p.supervisor, fds) != nil {
			return
		}
	}
}

// fds are the files of the listening sockets.
func (p *Ports) fds() (fds []int, err error) {
	for _, l := range p.own {
		raw, err := l.(*net.TCPListener).SyscallConn()
		if err == nil {
			// Not File: its Fd would make the socket block, here and in all processes that have it.
			err = raw.Control(func(fd uintptr) { fds = append(fds, int(fd)) })
		}
		if err != nil {
			return nil, err
		}
	}
	return fds, nil
}
