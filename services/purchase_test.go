package services_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	linkInDoc = regexp.MustCompile(`\]\(([^)#:]+)[^):]*\)`)
	nameInDoc = regexp.MustCompile("`([A-Za-z]+)`")
)

// docs/purchase.md names files and functions of the code. Each of them must exist, so that a reader can follow it.
func TestFilesAndFunctionsInPurchaseDocExist(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "docs", "purchase.md"))
	if err != nil {
		t.Fatal(err)
	}
	functions := 0
	for line := range strings.Lines(string(doc)) {
		links := linkInDoc.FindAllStringSubmatch(line, -1)
		for _, link := range links {
			if _, err := os.Stat(filepath.Join("..", "docs", link[1])); err != nil {
				t.Errorf("%s does not exist", link[1])
			}
		}
		cells := strings.Split(line, "|")
		if len(links) == 0 || len(cells) < 4 || !strings.HasPrefix(line, "| [") {
			continue
		}
		source, err := os.ReadFile(filepath.Join("..", "docs", links[0][1]))
		if err != nil {
			t.Error(err)
		}
		for _, name := range nameInDoc.FindAllStringSubmatch(cells[2], -1) {
			functions++
			if !regexp.MustCompile(`(?m)^func (\([^)]*\) )?` + name[1] + `[(\[]`).Match(source) {
				t.Errorf("%s has no function %s", links[0][1], name[1])
			}
		}
	}
	if functions < 50 {
		t.Errorf("only %d functions were found in the tables", functions)
	}
}
