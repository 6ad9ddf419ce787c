package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"daprmall.dev/deploy/internal/proc"
)

// tick is the kernel's unit of CPU time for user space, in milliseconds: 100 Hz on every Linux Go runs on.
const tick = 10.0

// usage is CPU time in core-milliseconds. Without /proc (not Linux) everything is 0 and shown as unknown.
type usage struct {
	machine float64            // everything that ran on this machine, this generator included
	work    float64            // of that the time of processes, without interrupts, and what other machines took
	parts   map[string]float64 // by the mall's process
	self    float64            // this generator
}

func (u usage) minus(v usage) usage {
	d := usage{machine: u.machine - v.machine, work: u.work - v.work, self: u.self - v.self, parts: map[string]float64{}}
	for name, ms := range u.parts {
		d.parts[name] = ms - v.parts[name]
	}
	return d
}

// mall is what the mall's own processes took.
func (u usage) mall() float64 {
	sum := 0.0
	for _, ms := range u.parts {
		sum += ms
	}
	return sum
}

// others is what neither the mall nor this generator took.
func (u usage) others() float64 { return max(0, u.work-u.mall()-u.self) }

// biggest names the parts that took most, per success.
func (u usage) biggest(n int, per float64) string {
	names := slices.SortedFunc(maps.Keys(u.parts), func(a, b string) int {
		if u.parts[a] > u.parts[b] {
			return -1
		}
		return 1
	})
	var out []string
	for _, name := range names[:min(n, len(names))] {
		out = append(out, fmt.Sprintf("%s %.2f", name, u.parts[name]/per))
	}
	return strings.Join(out, ", ")
}

// used reads the CPU time used so far. run is the directory with the pids of the runner's processes.
func used(run string) usage {
	u := usage{parts: map[string]float64{}}
	if raw, err := os.ReadFile("/proc/stat"); err == nil {
		u.machine, u.work = busy(string(raw), 1, 2, 3, 6, 7), busy(string(raw), 1, 2, 3, 8)
	}
	u.self = processTime(os.Getpid())
	records, err := proc.ReadAll(run)
	if err != nil {
		return u
	}
	for _, r := range records {
		if r.Name == "supervisor" { // the others are its children
			u.parts[r.Name] += processTime(r.PID)
			continue
		}
		for _, pid := range append(proc.Descendants(r.PID), r.PID) {
			u.parts[r.Name] += processTime(pid)
		}
	}
	return u
}

// busy adds fields of the first line of /proc/stat: user nice system idle iowait irq softirq steal. Stolen time is
// another machine's.
func busy(stat string, of ...int) float64 {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	sum := 0.0
	for _, i := range of {
		if i < len(fields) {
			n, _ := strconv.ParseFloat(fields[i], 64)
			sum += n
		}
	}
	return sum * tick
}

// processTime is what one process took, its threads included; its ended children too, so that short-lived ones count.
func processTime(pid int) float64 {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0
	}
	// The name may hold anything, so the fields are counted behind it.
	_, rest, ok := strings.Cut(string(raw), ") ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) * tick
}
