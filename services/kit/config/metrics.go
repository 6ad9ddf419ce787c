package config

import "github.com/prometheus/client_golang/prometheus"

var (
	refusedDesc = prometheus.NewDesc("mall_setting_refused",
		"1: the store has a value of this setting that cannot be used. The last good one stays, unless nothing remembers it "+
			"at the next start.", []string{"key"}, nil)
	readDesc = prometheus.NewDesc("mall_settings_read_timestamp_seconds", "When the settings were read last.", nil, nil)
)

// collector is a prometheus.Collector.
type collector struct{ live *Live }

// Metrics has the values in force; who sets one can see there whether it was accepted.
func Metrics(l *Live) prometheus.Collector { return collector{l} }

// Describe implements prometheus.Collector.
func (c collector) Describe(to chan<- *prometheus.Desc) { to <- refusedDesc; to <- readDesc }

// Collect implements prometheus.Collector.
func (c collector) Collect(to chan<- prometheus.Metric) {
	// The time comes first: the values that follow are at least that fresh.
	to <- prometheus.MustNewConstMetric(readDesc, prometheus.GaugeValue, float64(c.live.lastRead.Load())/1000)
	for _, key := range c.live.Refused() {
		to <- prometheus.MustNewConstMetric(refusedDesc, prometheus.GaugeValue, 1, key)
	}
}
