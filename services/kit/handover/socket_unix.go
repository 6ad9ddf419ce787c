//go:build unix

package handover

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// Pair returns the two ends of a socket: the supervisor's, and the one that a process gets as FD.
func Pair() (mine *net.UnixConn, its *os.File, err error) {
	syscall.ForkLock.RLock() // no other child inherits them
	ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(ends[0])
		syscall.CloseOnExec(ends[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, err
	}
	its = os.NewFile(uintptr(ends[1]), "process")
	if mine, err = unixConn(os.NewFile(uintptr(ends[0]), "supervisor")); err != nil {
		return nil, nil, errors.Join(err, its.Close())
	}
	return mine, its, nil
}

// Send passes on open files. They stay open here.
func Send(to *net.UnixConn, fds []int) error {
	_, _, err := to.WriteMsgUnix([]byte("\n"), syscall.UnixRights(fds...), nil)
	return err
}

// Receive waits for what the other side sends; io.EOF if it ends before. The files are the caller's to close.
func Receive(from *net.UnixConn) (fds []int, err error) {
	rights := make([]byte, 256)
	n, size, _, _, err := from.ReadMsgUnix(make([]byte, 1), rights)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, io.EOF
	}
	messages, err := syscall.ParseSocketControlMessage(rights[:size])
	for _, m := range messages {
		some, failed := syscall.ParseUnixRights(&m)
		fds, err = append(fds, some...), errors.Join(err, failed)
	}
	for _, fd := range fds {
		syscall.CloseOnExec(fd)
	}
	return fds, err
}

// Close closes files that were received.
func Close(fds []int) {
	for _, fd := range fds {
		_ = syscall.Close(fd)
	}
}

func unixConn(f *os.File) (*net.UnixConn, error) {
	conn, err := net.FileConn(f) // has a file of its own
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	unix, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(errors.New("not a Unix socket"), conn.Close())
	}
	return unix, nil
}
