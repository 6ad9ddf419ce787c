// Package settings names what services read in the configuration store besides settings (services/kit/config).
package settings

const (
	// Unset is the value of a setting that was unset. An absent key says nothing: services keep what they had.
	Unset = "__unset__"
	// Initialized is a key of a store that has been set up: what such a store lacks was never set.
	Initialized = "mall.settings_initialized"
)
