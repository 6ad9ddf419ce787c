package gotest

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestResultsAreCounted(t *testing.T) {
	const run = `
{"Action":"build-output","ImportPath":"m/broken","Output":"x.go:1: undefined: y\n"}
{"Action":"fail","Package":"m/broken","Elapsed":0,"FailedBuild":"m/broken"}
{"Action":"output","Package":"m/a","Test":"TestOne","Output":"hm\n"}
{"Action":"pass","Package":"m/a","Test":"TestOne/sub1"}
{"Action":"fail","Package":"m/a","Test":"TestOne/sub2"}
{"Action":"fail","Package":"m/a","Test":"TestOne"}
{"Action":"skip","Package":"m/a","Test":"TestTwo"}
{"Action":"fail","Package":"m/a","Elapsed":1}
{"Action":"output","Package":"m/died","Test":"TestRunning","Output":"panic: no\n"}
{"Action":"fail","Package":"m/died","Elapsed":1}
{"Action":"pass","Package":"m/ok","Test":"TestFine"}
{"Action":"pass","Package":"m/ok","Elapsed":1}
{"Action":"skip","Package":"m/none"}
not an event
`
	r := Reader{Out: io.Discard, Short: func(s string) string { return strings.TrimPrefix(s, "m/") }}
	got, failed, err := r.Read(strings.NewReader(run))
	if err != nil {
		t.Fatal(err)
	}
	if want := (Count{Passed: 2, Failed: 3, Skipped: 1}); got != want {
		t.Errorf("count: %v, want %v", got, want)
	}
	if got, want := strings.Join(failed, ", "), "broken, a TestOne/sub2, died TestRunning"; got != want {
		t.Errorf("failed: %s, want %s", got, want)
	}
}

// What the logs say about the request that a failing test names is shown with it.
func TestLogsOfAFailedRequestAreShown(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef"
	dir := t.TempDir()
	for name, text := range map[string]string{
		"order.log": `{"trace":"` + id + `","msg":"here"}` + "\n" + `{"trace":"other"}` + "\n", "notes.txt": id} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := `{"Action":"output","Package":"a","Test":"TestOne","Output":"503 {\"trace_id\":\"` + id + `\"}\n"}
{"Action":"fail","Package":"a","Test":"TestOne"}
{"Action":"fail","Package":"a"}
`
	var out strings.Builder
	r := Reader{Out: &out, Short: func(s string) string { return s }, Logs: dir}
	if _, _, err := r.Read(strings.NewReader(run)); err != nil {
		t.Fatal(err)
	}
	shown := strings.SplitN(out.String(), "\n", 2)[1]
	want := `      503 {"trace_id":"` + id + `"}` + "\n" + `      order.log: {"trace":"` + id + `","msg":"here"}` + "\n"
	if shown != want {
		t.Errorf("shown:\n%s\nwant:\n%s", shown, want)
	}
}

func TestTheSummaryLine(t *testing.T) {
	for c, want := range map[Count]string{
		{Passed: 3}:                        "3 passed, 0 failed",
		{Passed: 3, Failed: 1, Skipped: 2}: "3 passed, 1 failed, 2 skipped",
	} {
		if got := c.String(); got != want {
			t.Errorf("%#v: %q, want %q", c, got, want)
		}
	}
}

// A long run reports its progress.
func TestALongRunReportsItsProgress(t *testing.T) {
	in, out := io.Pipe()
	said := make(chan string)
	r := Reader{Quiet: time.Millisecond, Short: func(s string) string { return strings.TrimPrefix(s, "m/") },
		Compiling: func() []string { return []string{"m/slow"} }, Out: writer(func(line string) {
			select {
			case said <- line:
			default:
			}
		})}
	ended := make(chan error)
	go func() {
		_, _, err := r.Read(in)
		ended <- err
	}()
	if line := <-said; !strings.Contains(line, "compiling slow (0 packages done)") {
		t.Errorf("before the first package: %q", line)
	}
	const begun = `{"Action":"start","Package":"m/a"}` + "\n" + `{"Action":"run","Package":"m/a","Test":"TestOne"}` + "\n"
	if _, err := io.WriteString(out, begun); err != nil {
		t.Fatal(err)
	}
	for line := range said {
		if strings.Contains(line, "running a TestOne; compiling slow") {
			break
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

type writer func(string)

func (w writer) Write(p []byte) (int, error) {
	w(string(p))
	return len(p), nil
}
