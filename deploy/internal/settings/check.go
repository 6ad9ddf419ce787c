package settings

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"daprmall.dev/services/kit/config/keys"
)

// CheckAll refuses settings of which one does not exist or cannot be meant.
func CheckAll(all map[string]string) error {
	var wrong []error
	for _, key := range slices.Sorted(maps.Keys(all)) {
		wrong = append(wrong, Check(key, all[key]))
	}
	return errors.Join(wrong...)
}

// Check refuses a setting that does not exist, and a value that cannot be meant.
func Check(key, value string) error {
	if key == Initialized {
		return nil
	}
	known, err := Find(key)
	if err != nil {
		return err
	}
	// Dapr's Redis store splits the value there: what follows would be a version.
	if strings.Contains(value, Separator) {
		return fmt.Errorf("%s: a value must not contain %s", key, Separator)
	}
	if err := known.Check(value); err != nil {
		return fmt.Errorf("%s=%s: %w (%s)", key, value, err, known.Form)
	}
	return nil
}

// Find finds a setting; the error names those that may have been meant.
func Find(key string) (keys.Entry, error) {
	if known, ok := keys.Find(key); ok {
		return known, nil
	}
	service, _, _ := strings.Cut(key, ".")
	var meant []string
	for _, k := range keys.All() {
		if strings.HasPrefix(k.Name, service+".") {
			meant = append(meant, k.Name)
		}
	}
	if len(meant) == 0 {
		return keys.Entry{}, fmt.Errorf("%s is not a setting; `config list` shows all", key)
	}
	return keys.Entry{}, fmt.Errorf("%s is not a setting; these are: %s", key, strings.Join(meant, ", "))
}

// Default is the default of a setting after a space, for a sentence.
func Default(key string) string {
	if known, ok := keys.Find(key); ok && known.Default != "" {
		return " " + known.Default
	}
	return ""
}
