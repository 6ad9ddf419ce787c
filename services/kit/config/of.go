package config

import "daprmall.dev/services/kit/config/keys"

// Of declares a setting of the mall's list and gives a function that reads its present value.
func Of[T any](l *Live, k keys.Key[T]) func() T {
	return Setting(l, k.Name, k.Standard(), k.Parse, Options(k)...)
}

// Options returns what the list says of a setting besides its values, for one that its service checks further.
func Options[T any](k keys.Key[T]) []Option {
	switch {
	case k.Chosen:
		return []Option{Chosen}
	case k.Required:
		return []Option{Required}
	}
	return nil
}
