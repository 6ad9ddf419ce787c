package config

import "errors"

// acceptAll makes what read returns the values of the settings. Some services check two settings against each other, so
// what was refused is tried again once another one has changed, in whatever order they come.
func (l *Live) acceptAll(read func(key string, s *setting) (Value, bool)) {
	for changed, again := true, false; changed; again = true {
		changed = false
		for key, s := range l.settings {
			if v, ok := read(key, s); ok && l.accept(key, s, v, again) {
				changed = true
			}
		}
	}
}

// accept makes v the setting's value if it is valid, and otherwise logs once that it was refused. It reports whether
// the value has changed. again tries what was refused before.
func (l *Live) accept(key string, s *setting, v Value, again bool) bool {
	raw := v.Text
	refused := s.refused != nil && *s.refused == raw
	if s.known && s.value == v || refused && !again {
		return false
	}
	err := errors.New("it moves money: set another value instead of unsetting it")
	switch {
	case raw != Unset:
		err = s.apply(raw)
	case s.known && s.value.Text == Unset: // Unset with another version
		err = nil
	case !s.chosen || !s.known && !s.remembered:
		s.reset()
		err = nil
	}
	if err != nil {
		s.refused = &raw
		if !refused {
			l.log.Error("configuration value refused, the last good one stays", "key", key, "error", err)
		}
		return false
	}
	if s.known && s.value.Text != raw {
		l.log.Info("configuration changed", "key", key)
	}
	s.value, s.newest, s.known, s.refused = v, v.Version, true, nil
	l.unsaved[key] = v
	return true
}
