package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"daprmall.dev/deploy/internal/metrics"
	"daprmall.dev/deploy/internal/proc"
	"daprmall.dev/deploy/internal/running"
)

// held is what a process of the mall holds. What is not known is 0.
type held struct {
	pid        int
	memory     float64 // bytes
	goroutines float64
	sockets    float64
}

// holding asks every process of the mall.
func holding(ctx context.Context, m running.Mall, pids string) map[string]held {
	all := map[string]held{}
	records, _ := proc.ReadAll(pids) // none: it has ended
	pages := m.MetricsPages()
	for _, r := range records {
		h := held{pid: r.PID, memory: float64(proc.Memory(r.PID)), sockets: float64(proc.Sockets(r.PID))}
		if r.Name == "supervisor" { // the others are its children
			continue
		}
		if page := pages[r.Name]; page != "" {
			_ = metrics.Read(ctx, page, func(series string, value float64) {
				if series == "go_goroutines" {
					h.goroutines = value
				}
			})
		}
		all[r.Name] = h
	}
	return all
}

func sum(all map[string]held) (total held) {
	for _, h := range all {
		total.memory += h.memory
		total.goroutines += h.goroutines
		total.sockets += h.sockets
	}
	return total
}

// quantity is one thing that processes hold.
type quantity struct {
	name  string
	of    func(held) float64
	unit  float64
	slack float64 // a change that means nothing
	data  bool    // stores hold more of it with every order that they keep
}

const mega = 1 << 20

var quantities = []quantity{
	{"MB", func(h held) float64 { return h.memory }, mega, 8 * mega, true},
	{"goroutines", func(h held) float64 { return h.goroutines }, 1, 30, false},
	{"sockets", func(h held) float64 { return h.sockets }, 1, 20, false},
}

var stores = []string{"postgres", "redis"}

// settled is the part of a soak that is not counted: what is opened and filled at the beginning stays.
const settled = 3

// grown names what grew between the first samples after the beginning and the last ones: by more than a tenth, beyond
// what means nothing. A process that is another one at the end is named as well.
func grown(samples []map[string]held) (found []string) {
	third := (len(samples) - settled) / 2
	early, late := samples[settled:settled+third], samples[len(samples)-third:]
	for _, name := range slices.Sorted(maps.Keys(samples[0])) {
		if samples[0][name].pid != samples[len(samples)-1][name].pid {
			found = append(found, name+" was restarted")
			continue
		}
		for _, q := range quantities {
			was, is := middle(early, name, q), middle(late, name, q)
			if is > 1.1*was && is > was+q.slack && (!q.data || !slices.Contains(stores, name)) {
				found = append(found, fmt.Sprintf("%s: %.0f → %.0f %s", name, was/q.unit, is/q.unit, q.name))
			}
		}
	}
	return found
}

// middle is the median of what a process held.
func middle(samples []map[string]held, name string, q quantity) float64 {
	var values []float64
	for _, s := range samples {
		values = append(values, q.of(s[name]))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// byProcess is a line for each process that holds much, from the first sample to the last.
func byProcess(first, last map[string]held) string {
	var b strings.Builder
	for _, name := range slices.SortedFunc(maps.Keys(last), func(a, b string) int {
		return int(last[b].memory - last[a].memory)
	}) {
		fmt.Fprintf(&b, "  %-18s", name)
		for _, q := range quantities {
			fmt.Fprintf(&b, " %6.0f → %5.0f %s", q.of(first[name])/q.unit, q.of(last[name])/q.unit, q.name)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
