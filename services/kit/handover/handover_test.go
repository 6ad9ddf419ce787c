package handover

import (
	"net"
	"os"
	"strconv"
	"testing"
)

// Without a supervisor, a port has one owner at a time.
func TestWithoutHandoverAPortHasOneOwner(t *testing.T) {
	t.Setenv(FD, "")
	p := open(t)
	l := listen(t, p, "127.0.0.1:0")
	if err := p.Ready(); err != nil {
		t.Errorf("without a supervisor: %v", err)
	}
	if again, err := open(t).Listen(l.Addr().String()); err == nil {
		_ = again.Close()
		t.Error("two listen on one port without a handover")
	}
}

func TestASocketIsHandedOver(t *testing.T) {
	first := start(t, nil)
	l := listen(t, first.ports, "127.0.0.1:0")
	first.ready(t)
	second := start(t, first.sockets(t))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if again, err := net.Listen("tcp", l.Addr().String()); err == nil {
		_ = again.Close()
		t.Error("the port was free during the handover")
	}
	next := listen(t, second.ports, l.Addr().String())
	listen(t, second.ports, "127.0.0.1:0") // a port that the first process did not have
	second.ready(t)
	if fds := second.sockets(t); len(fds) != 2 {
		t.Errorf("%d sockets, want 2", len(fds))
	}
	go func() {
		if c, err := new(net.Dialer).DialContext(t.Context(), "tcp", next.Addr().String()); err == nil {
			_ = c.Close()
		}
	}()
	c, err := next.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}

// While a process serves, only it has its sockets: if it dies, connections are refused at once, whatever its supervisor
// does.
func TestOnlyTheProcessHasItsSockets(t *testing.T) {
	only := start(t, nil)
	l := listen(t, only.ports, "127.0.0.1:0")
	only.ready(t)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := net.Listen("tcp", l.Addr().String())
	if err != nil {
		t.Fatalf("the port is not free: %v", err)
	}
	_ = again.Close()
}

// process stands for a process and its supervisor, both in this test.
type process struct {
	mine  *net.UnixConn
	ports *Ports
}

func start(t *testing.T, inherits []int) process {
	t.Helper()
	mine, its, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mine.Close() })
	if err := Send(mine, inherits); err != nil {
		t.Fatal(err)
	}
	t.Setenv(FD, strconv.Itoa(int(its.Fd())))
	return process{mine, open(t)}
}

// ready waits until the process listens.
func (p process) ready(t *testing.T) {
	t.Helper()
	if err := p.ports.Ready(); err != nil {
		t.Fatal(err)
	}
	if _, err := Receive(p.mine); err != nil {
		t.Fatal(err)
	}
}

// sockets asks the process for its sockets.
func (p process) sockets(t *testing.T) []int {
	t.Helper()
	if err := Send(p.mine, nil); err != nil {
		t.Fatal(err)
	}
	fds, err := Receive(p.mine)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Close(fds) })
	return fds
}

func open(t *testing.T) *Ports {
	t.Helper()
	p, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func listen(t *testing.T, p *Ports, addr string) net.Listener {
	t.Helper()
	l, err := p.Listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// Receive does not wait for a process that ends without an answer.
func TestReceiveEndsWithTheProcess(t *testing.T) {
	mine, its, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	if err := its.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Receive(mine); err == nil {
		t.Error("a closed connection counts as a message")
	}
}

func TestInvalidSocketNumbersAreRefused(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"x", "0", "-1", strconv.Itoa(int(file.Fd()))} {
		t.Setenv(FD, bad)
		if _, err := Open(); err == nil {
			t.Errorf("%s=%s was accepted", FD, bad)
		}
	}
}
