package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"daprmall.dev/deploy/internal/metrics"
	"daprmall.dev/deploy/internal/running"
	"daprmall.dev/services/contracts"
)

// heardWithin is how long a setting that was set waits for whom it concerns to read it: they read every three or four
// seconds.
const heardWithin = 8 * time.Second

// readersOfSetting returns the running apps that may read a setting, by their names as processes.
func (s state) readersOfSetting(key string) (names []string) {
	service, _, _ := strings.Cut(key, ".")
	for name, app := range s.Apps {
		of, _ := contracts.Find(app.ID)
		if of.SettingsPrefix() == service || service == "mall" || service == "database" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// whoRefuses waits until the apps have read the store since a time, and names the first that cannot use a setting's
// value. Who is not there, or does not read in time, has no opinion.
func whoRefuses(ctx context.Context, s state, key string, since time.Time) (by string) {
	ctx, cancel := context.WithTimeout(ctx, heardWithin)
	defer cancel()
	waiting := s.readersOfSetting(key)
	_ = until(ctx, func() bool { // everybody is asked, so that one who does not read hides no other's refusal
		waiting = slices.DeleteFunc(waiting, func(name string) bool {
			refuses, read, there := readMetrics(ctx, running.MetricsPage(s.Apps[name].Ports), key, since)
			if read && refuses && by == "" {
				by = name
			}
			return read || !there
		})
		return by != "" || len(waiting) == 0
	})
	return by
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
