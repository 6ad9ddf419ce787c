package gotest

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

// atMost bounds the log lines that are shown of one trace.
const atMost = 8

var traceID = regexp.MustCompile(`"trace_id":"([0-9a-f]{32})"`)

// traced returns what the logs of a directory say about the requests whose trace ids the lines have: an answer tells
// its caller little, and the logs go with a test machine.
func traced(dir string, lines []string) (found []string) {
	if dir == "" {
		return nil
	}
	var ids []string
	for _, line := range lines {
		for _, id := range traceID.FindAllStringSubmatch(line, -1) {
			if !slices.Contains(ids, id[1]) {
				ids = append(ids, id[1])
			}
		}
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.log"))
	for _, id := range ids {
		n := 0
		for _, file := range files {
			raw, _ := os.ReadFile(file)
			for s := bufio.NewScanner(bytes.NewReader(raw)); n < atMost && s.Scan(); {
				if bytes.Contains(s.Bytes(), []byte(id)) {
					found = append(found, filepath.Base(file)+": "+s.Text()+"\n")
					n++
				}
			}
		}
	}
	return found
}
