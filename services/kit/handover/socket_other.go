//go:build !unix

package handover

import (
	"errors"
	"net"
	"os"
)

// No supervisor runs here.

func Pair() (mine *net.UnixConn, its *os.File, err error) { return nil, nil, errors.ErrUnsupported }
func Send(*net.UnixConn, []int) error                     { return errors.ErrUnsupported }
func Receive(*net.UnixConn) ([]int, error)                { return nil, errors.ErrUnsupported }
func Close([]int)                                         {}
func unixConn(*os.File) (*net.UnixConn, error)            { return nil, errors.ErrUnsupported }
