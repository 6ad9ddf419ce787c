// Package keys lists the mall's settings: names, defaults, bounds and what each is for. Services read them through
// kit/config, the runner's config command checks and shows them, and the runbook's table is compared with them.
package keys

import "fmt"

// Values and keys with a meaning of their own.
const (
	// Unset is the value of a setting that was unset: its default applies. An absent key means nothing.
	Unset = "__unset__"
	// Initialized is a key that the store has once somebody has set it up. Only then does an absent key that no service
	// has ever read mean its default: a store without it is new, or has lost everything.
	Initialized = "mall.settings_initialized"
)

// Key is one setting.
type Key[T any] struct {
	Name    string
	Default string // as it would be set
	Form    string // unit and bounds, for people
	Doc     string
	Parse   func(text string) (T, error) // also validates
	// Required: the default must not be used before the store, or the memory, has been read.
	Required bool
	// Chosen: Required, and decides where money goes: once set it can be changed, but never falls back to its default.
	Chosen bool
}

// Standard is the parsed default.
func (k Key[T]) Standard() T {
	v, err := k.Parse(k.Default)
	if err != nil {
		panic(fmt.Sprintf("the default of %s: %v", k.Name, err)) // a test parses every default
	}
	return v
}

// Entry is a setting of any type.
type Entry struct {
	Name, Default, Form, Doc string
	Chosen                   bool
	Check                    func(text string) error
}

func (k Key[T]) entry() Entry {
	return Entry{Name: k.Name, Default: k.Default, Form: k.Form, Doc: k.Doc, Chosen: k.Chosen,
		Check: func(text string) error {
			_, err := k.Parse(text)
			return err
		}}
}
