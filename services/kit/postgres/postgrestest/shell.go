package postgrestest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// inShell marks a test program that was started again, so that it is not started forever.
const inShell = "MALL_TEST_IN_SHELL"

// init starts a test program that plain `go test` has started again, in a shell where its servers run: before any test
// has begun, in the same process and directory, with the same arguments.
func init() { //nolint:gochecknoinits // there is no later moment that every test program passes
	if !testing.Testing() || os.Getenv("MALL_TEST_POSTGRES_URL") != "" || os.Getenv(inShell) != "" ||
		slices.Contains(os.Args, "-test.short=true") {
		return
	}
	err := func() error {
		tool, err := exec.LookPath("go")
		if err != nil {
			return err
		}
		if err := awaitTurn(); err != nil {
			return err
		}
		args := append([]string{"go", "run", "daprmall.dev/deploy/mall", "test", "--shell"}, os.Args...)
		return syscall.Exec(tool, args, append(os.Environ(), inShell+"=1")) //nolint:gosec // this very program
	}()
	fmt.Fprintln(os.Stderr, "start the servers of the tests:", err) // and each test that needs them fails
}

// awaitTurn locks a file of the project until this process and its children have ended: `go test` runs the programs of
// several packages at once, and the servers serve one.
func awaitTurn() error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			return errors.New("there is no go.work above the working directory")
		}
	}
	home := filepath.Join(dir, ".mall")
	if err := os.MkdirAll(home, 0o750); err != nil {
		return err
	}
	fd, err := syscall.Open(filepath.Join(home, "go-test.lock"), syscall.O_CREAT|syscall.O_RDWR, 0o600) // inherited
	if err != nil {
		return err
	}
	return syscall.Flock(fd, syscall.LOCK_EX)
}
