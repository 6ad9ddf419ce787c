package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"daprmall.dev/services/kit/config/keys"
)

// The runbook's table lists every setting with its default.
func TestEverySettingIsInTheRunbook(t *testing.T) {
	raw, err := os.ReadFile("../../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(raw), "## Settings")
	text, _, _ = strings.Cut(text, "\n## ")
	documented := map[string]string{} // setting → default
	quoted := regexp.MustCompile("`([^`]*)`")
	for _, row := range regexp.MustCompile(`(?m)^\| (`+"`[a-z]+\\.[^|]*"+`) \|([^|]*)\|`).FindAllStringSubmatch(text, -1) {
		defaults := quoted.FindAllStringSubmatch(row[2], -1)
		for i, key := range quoted.FindAllStringSubmatch(row[1], -1) {
			documented[key[1]] = ""
			if i < len(defaults) {
				documented[key[1]] = defaults[i][1]
			}
		}
	}
	for _, k := range keys.All() {
		def, ok := documented[k.Name]
		if !ok || def != k.Default {
			t.Errorf("%s, default %q: the runbook says %q, %v", k.Name, k.Default, def, ok)
		}
		delete(documented, k.Name)
	}
	if len(documented) > 0 {
		t.Errorf("the runbook lists settings that do not exist: %v", documented)
	}
}
