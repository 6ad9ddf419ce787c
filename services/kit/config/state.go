package config

import (
	"maps"
	"slices"

	"daprmall.dev/services/kit/config/keys"
)

// State is a setting as it is in force in this process, for people.
type State struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	Default string `json:"default"`
	Set     bool   `json:"set"` // false: the default applies
	Form    string `json:"form"`
	Doc     string `json:"doc"`
}

// States returns all settings that were declared, by name.
func (l *Live) States() []State {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := []State{}
	for _, name := range slices.Sorted(maps.Keys(l.settings)) {
		known, _ := keys.Find(name)
		s := State{Name: name, Value: known.Default, Default: known.Default, Form: known.Form, Doc: known.Doc}
		if now := l.settings[name]; now.known && now.value.Text != Unset {
			s.Value, s.Set = now.value.Text, true
		}
		all = append(all, s)
	}
	return all
}
