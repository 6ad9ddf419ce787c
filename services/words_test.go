package services_test

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// replaced are words that this project used in a sense of its own, with the usual terms that replaced them.
var replaced = map[string]string{
	`[Rr]ooms?`:                          "service",
	`([Bb]ooks|OrderBooks)\.go|NewBooks`: "OrderStock, audit",
	`Shelf|NewShelf`:                     "StockByProduct",
	`Keeper|NewKeeper`:                   "Reconciler",
	`Applier|NewApplier`:                 "GateSync",
	`Gated`:                              "GateEntry",
	`NewMeter|Meter`:                     "Metrics",
	`Wish|Wishes`:                        "Update",
	`TakePayments?`:                      "ApplyPayment",
	`LoseStock`:                          "CancelOutOfStock",
	`MoneyReturned`:                      "MarkRefunded",
	`LookSoon|LookNow`:                   "ScheduleCheck, CheckNow",
	`Revivable`:                          "Restartable",
	`household|takeIn|slowDown`:          "clientKey, readBody, rateLimit",
	`crew`:                               "appProcesses",
	`town`:                               "fakePeers",
	`deaf`:                               "stalled",
	`letGo`:                              "releaseLease",
	`problem\.(Busy|Missing)`:            "problem.NewUnavailable, problem.NewNotFound",
	`postgres\.(Away|Again)`:             "postgres.IsUnavailable, postgres.Exec",
	`internal/(peers|books|place|shop)`:  "internal/clients, audit, layout, apiclient",
}

// meant matches places where such a word is used in its usual sense.
var meant = regexp.MustCompile(`room for|make room|makes room|no room`)

// Words that were replaced must not be used again.
func TestReplacedWordsStayReplaced(t *testing.T) {
	words := map[*regexp.Regexp]string{}
	for old, use := range replaced {
		words[regexp.MustCompile(`\b(`+old+`)\b`)] = use
	}
	for _, file := range texts(t) {
		text, err := os.ReadFile(filepath.Join("..", file))
		if err != nil {
			t.Fatal(err)
		}
		for n, line := 1, bufio.NewScanner(bytes.NewReader(text)); line.Scan(); n++ {
			for old, use := range words {
				if found := old.Find(line.Bytes()); found != nil && !meant.Match(line.Bytes()) {
					t.Errorf("%s:%d: %q is now called %s", file, n, found, use)
				}
			}
		}
	}
}

// texts returns the files that people read, except records of past decisions.
func texts(t *testing.T) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", "-C", "..", "ls-files", "*.go", "*.md", "*.yaml", "*.yml").Output()
	if err != nil {
		t.Fatal(err)
	}
	files := strings.Fields(string(out))
	return slices.DeleteFunc(files, func(f string) bool {
		return strings.HasPrefix(f, "docs/adr/") || f == "services/words_test.go"
	})
}

// lineLength is the maximum number of characters in a line of Go.
const lineLength = 120

// Lines of Go are short enough to show two files side by side.
func TestLinesOfGoAreShort(t *testing.T) {
	for _, file := range texts(t) {
		if !strings.HasSuffix(file, ".go") {
			continue
		}
		text, err := os.ReadFile(filepath.Join("..", file))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for line := range strings.Lines(string(text)) {
			if n++; utf8.RuneCountInString(strings.TrimRight(line, "\n")) > lineLength {
				t.Errorf("%s:%d has more than %d characters", file, n, lineLength)
			}
		}
	}
}
