//go:build !linux

package proc

import (
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// tie does nothing: only Linux can end a child with its parent. Elsewhere the next up
// or down finds what is left by its record.
func tie(*syscall.SysProcAttr, syscall.Signal) {}

// StartTime is when a process started, by ps.
func StartTime(pid int) (string, error) {
	out, err := exec.Command("ps", "-o", "stat=,lstart=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return "", err
	}
	state, start, ok := strings.Cut(strings.TrimSpace(string(out)), " ")
	if !ok || strings.HasPrefix(state, "Z") {
		return "", errors.New("process has ended")
	}
	return strings.TrimSpace(start), nil
}

// Memory is what a process holds, in bytes, without its descendants.
func Memory(pid int) int64 {
	out, err := exec.Command("ps", "-o", "rss=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return 0
	}
	kb, _ := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	return kb << 10
}

// Sockets is not known on this system.
func Sockets(int) int { return 0 }

// Descendants are not looked for here.
func Descendants(int) []int { return nil }

// Commands are not looked for here.
func Commands(int) [][]string { return nil }
