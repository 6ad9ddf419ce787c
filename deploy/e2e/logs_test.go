//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"daprmall.dev/deploy/internal/apiclient"
)

// private are patterns that must not be in any log.
var private = map[string]*regexp.Regexp{
	"an access token":  regexp.MustCompile(`eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}`),
	"an email":         regexp.MustCompile(`[\w.+-]+@[\w-]+\.\w+`),
	"a cvc":            regexp.MustCompile(`(?i)\bcvc\b`),
	"a bearer":         regexp.MustCompile(`(?i)bearer [a-z0-9]`),
	"a password":       regexp.MustCompile(`(?i)"password"\s*:`),
	"a goroutine dump": regexp.MustCompile(`goroutine \d+ \[`),
}

// issued are refresh tokens that the tests received.
var issued sync.Map

// leaks reads all logs of the mall after the suite and returns what must not be in them: private data, and lines that
// are not JSON.
func leaks() []string {
	words := map[string]string{apiclient.Password: "the shoppers' password",
		"a wrong password": "a password that was tried"}
	for _, card := range []string{apiclient.CardGood, apiclient.CardDeclined, apiclient.CardNoFunds,
		apiclient.CardUnanswered, apiclient.CardSlow, "4242424242424241"} {
		words[card] = "a card number"
	}
	issued.Range(func(token, _ any) bool {
		words[token.(string)] = "a refresh token"
		return true
	})
	for _, file := range []string{"secrets.json", "runner.json"} {
		raw, err := os.ReadFile(home(file))
		var secrets any
		if err == nil {
			err = json.Unmarshal(raw, &secrets)
		}
		if err != nil {
			return []string{err.Error()}
		}
		for _, s := range texts(secrets) {
			if len(s) >= 16 {
				words[s] = "a secret of " + file
			}
		}
	}
	files, err := filepath.Glob(home("log", "*"))
	if err != nil || len(files) < 10 {
		return []string{fmt.Sprintf("%d logs found, %v", len(files), err)}
	}
	var found []string
	for _, file := range files {
		found = append(found, leaksIn(file, words)...)
	}
	return found
}

func leaksIn(file string, words map[string]string) (found []string) {
	f, err := os.Open(file)
	if err != nil {
		return []string{err.Error()}
	}
	defer f.Close() //nolint:errcheck // read only
	// The logs of databases and the supervisor are for people, all others for programs. In a sidecar two loggers do not
	// follow its format: those of its Redis library and of its shutdown.
	name, _, _ := strings.Cut(filepath.Base(file), ".")
	plain := slices.Contains([]string{"postgres", "redis", "kafka", "rocketmq", "rocketmq-names", "supervisor"}, name)
	foreign := func(line string) bool {
		return strings.HasSuffix(name, "-daprd") &&
			(strings.HasPrefix(line, "redis: ") || strings.HasPrefix(line, `time="`))
	}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		line := lines.Text()
		if !plain && !json.Valid([]byte(line)) && !foreign(line) {
			found = append(found, fmt.Sprintf("%s has a line that is not JSON: %.300s", filepath.Base(file), line))
		}
		for word, what := range words {
			if strings.Contains(line, word) {
				found = append(found, fmt.Sprintf("%s has %s: %.300s", filepath.Base(file), what, line))
			}
		}
		for what, shape := range private {
			if shape.MatchString(line) {
				found = append(found, fmt.Sprintf("%s has %s: %.300s", filepath.Base(file), what, line))
			}
		}
	}
	if err := lines.Err(); err != nil {
		found = append(found, fmt.Sprintf("%s: %v", filepath.Base(file), err))
	}
	return found[:min(len(found), 5)]
}

// texts returns all strings in a JSON value.
func texts(v any) (all []string) {
	switch v := v.(type) {
	case string:
		all = append(all, v)
	case map[string]any:
		for _, e := range v {
			all = append(all, texts(e)...)
		}
	case []any:
		for _, e := range v {
			all = append(all, texts(e)...)
		}
	}
	return all
}
