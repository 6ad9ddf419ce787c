// Package settings is how settings lie in the configuration store (services/kit/config reads them there): a text and a
// version, as Dapr's Redis store splits them.
package settings

import (
	"strconv"
	"strings"

	"daprmall.dev/services/kit/config/keys"
)

const (
	// Unset is the value of a setting that was unset. An absent key means nothing: services keep what they had.
	Unset = keys.Unset
	// Initialized is a key of a store that has been set up: what such a store lacks was never set.
	Initialized = keys.Initialized
)

// Separator separates text and version.
const Separator = "||"

// Value is a setting as it lies in the store. A later one has a higher version; 0 was written by somebody who knows no
// versions.
type Value struct {
	Text    string
	Version int64
}

// Parse reads a stored value.
func Parse(raw string) Value {
	text, version, _ := strings.Cut(raw, Separator)
	n, _ := strconv.ParseInt(version, 10, 64)
	return Value{text, n}
}

// String is the stored form.
func (v Value) String() string {
	if v.Version == 0 {
		return v.Text
	}
	return v.Text + Separator + strconv.FormatInt(v.Version, 10)
}
