package proc

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

func tie(attr *syscall.SysProcAttr, sig syscall.Signal) { attr.Pdeathsig = sig }

// StartTime is when the kernel started a process, in ticks since boot. A zombie does
// not count as running.
func StartTime(pid int) (string, error) {
	f, err := statFields(pid)
	if err != nil {
		return "", err
	}
	if f[0] == "Z" || f[0] == "X" {
		return "", fmt.Errorf("process %d has ended", pid)
	}
	return f[19], nil
}

// statFields are the fields of /proc/<pid>/stat from the state on; the name before it
// may hold spaces and brackets.
func statFields(pid int) ([]string, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	s := string(raw)
	f := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
	if len(f) < 20 {
		return nil, fmt.Errorf("process %d: short stat", pid)
	}
	return f, nil
}

// Memory is what a process and its descendants hold, in bytes. Pages that several
// share (PostgreSQL's buffers) count once in all.
func Memory(pid int) int64 {
	total := int64(0)
	for _, p := range append(Descendants(pid), pid) {
		total += memory(p)
	}
	return total
}

func memory(pid int) int64 {
	if kb, ok := kilobytes(pid, "smaps_rollup", "Pss:"); ok {
		return kb << 10
	}
	kb, _ := kilobytes(pid, "status", "VmRSS:")
	return kb << 10
}

// Sockets is how many connections and listeners a process and its descendants hold.
func Sockets(pid int) int {
	total := 0
	for _, p := range append(Descendants(pid), pid) {
		dir := fmt.Sprintf("/proc/%d/fd", p)
		files, _ := os.ReadDir(dir) // none: it has ended
		for _, f := range files {
			if to, err := os.Readlink(filepath.Join(dir, f.Name())); err == nil && strings.HasPrefix(to, "socket:") {
				total++
			}
		}
	}
	return total
}

func kilobytes(pid int, file, key string) (int64, bool) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(raw)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == key {
			kb, err := strconv.ParseInt(f[1], 10, 64)
			return kb, err == nil
		}
	}
	return 0, false
}

// Descendants are the children of a process, their children, and so on.
func Descendants(pid int) []int {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	children := map[int][]int{}
	for _, f := range files {
		p, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if err != nil {
			continue
		}
		fields, err := statFields(p)
		if err != nil {
			continue
		}
		if parent, err := strconv.Atoi(fields[1]); err == nil {
			children[parent] = append(children[parent], p)
		}
	}
	var out []int
	queue := children[pid]
	for len(queue) > 0 {
		p := queue[0]
		queue = append(queue[1:], children[p]...)
		out = append(out, p)
	}
	return out
}

// Commands are the command lines of the descendants of a process.
func Commands(pid int) (commands [][]string) {
	for _, p := range Descendants(pid) {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p))
		if err == nil && len(raw) > 0 {
			commands = append(commands, strings.Split(strings.TrimRight(string(raw), "\x00"), "\x00"))
		}
	}
	return commands
}
