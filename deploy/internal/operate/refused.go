package operate

import (
	"context"
	"slices"
	"strings"
	"time"

	"daprmall.dev/deploy/internal/metrics"
	"daprmall.dev/services/contracts"
)

// Reader is a running app that reads settings.
type Reader struct {
	Name    string // as a process
	App     string
	Metrics string // the address of its page
}

// heardWithin is how long a setting that was set waits for whom it concerns to read it: they read every three or four
// seconds.
const heardWithin = 8 * time.Second

// readersOf returns the apps that may read a setting, in the order of their names.
func (c Config) readersOf(key string) (of []Reader) {
	service, _, _ := strings.Cut(key, ".")
	for _, r := range c.Readers {
		app, _ := contracts.Find(r.App)
		if app.SettingsPrefix() == service || service == "mall" || service == "database" {
			of = append(of, r)
		}
	}
	slices.SortFunc(of, func(a, b Reader) int { return strings.Compare(a.Name, b.Name) })
	return of
}

// whoRefuses waits until the apps have read the store since a time, and names the first that cannot use a setting's
// value. Who is not there, or does not read in time, has no opinion.
func (c Config) whoRefuses(ctx context.Context, key string, since time.Time) (by string) {
	ctx, cancel := context.WithTimeout(ctx, heardWithin)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for waiting := c.readersOf(key); ; {
		// Everybody is asked, so that one who does not read hides no other's refusal.
		waiting = slices.DeleteFunc(waiting, func(r Reader) bool {
			refuses, read, there := readMetrics(ctx, r.Metrics, key, since)
			if read && refuses && by == "" {
				by = r.Name
			}
			return read || !there
		})
		if by != "" || len(waiting) == 0 {
			return by
		}
		select {
		case <-ctx.Done():
			return by
		case <-tick.C:
		}
	}
}

// readMetrics reports whether an app refuses the value of a setting that was in the store at a time, and whether it has
// read it.
func readMetrics(ctx context.Context, url, key string, since time.Time) (refuses, read, there bool) {
	err := metrics.Read(ctx, url, func(series string, value float64) {
		switch series {
		case "mall_settings_read_timestamp_seconds":
			read = value > float64(since.UnixMilli())/1000
		case `mall_setting_refused{key="` + key + `"}`:
			refuses = true
		}
	})
	return refuses && err == nil, read && err == nil, err == nil
}
