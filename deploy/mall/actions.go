package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"daprmall.dev/deploy/internal/layout"
	"daprmall.dev/deploy/internal/proc"
	"daprmall.dev/deploy/internal/source"
	"daprmall.dev/deploy/internal/supervise"
	"daprmall.dev/services/contracts"
)

// down ends a mall, whether its supervisor still lives or not.
func down(ctx context.Context, at layout.Layout, purge bool) error {
	began := time.Now()
	r, err := proc.Read(at.Run(), supervisorName)
	if err != nil {
		return err
	}
	was := "was not running"
	if r.Alive() {
		was = "is down"
		if _, err := ask(ctx, at, http.MethodPost, "/down"); err != nil {
			// It does not listen (yet, or any more); a signal says the same.
			r.Signal(r.Stop)
		}
		for deadline := time.Now().Add(90 * time.Second); r.Alive(); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) || ctx.Err() != nil {
				_ = r.End(0)
			}
		}
	}
	if err := clean(at, os.Stdout); err != nil {
		return err
	}
	if purge {
		if err := purgeHome(at); err != nil {
			return err
		}
		was += ", and its data were deleted"
	}
	fmt.Printf("The mall %s (%.1f s).\n", was, time.Since(began).Seconds())
	return nil
}

// clean ends what a supervisor that was killed has left behind, apps before databases.
func clean(at layout.Layout, out io.Writer) error {
	left, err := proc.ReadAll(at.Run())
	if err != nil {
		return err
	}
	last := func(r proc.Record) bool { return slices.Contains(servers, r.Name) }
	slices.SortStableFunc(left, func(a, b proc.Record) int {
		switch {
		case last(a) == last(b):
			return 0
		case last(a):
			return 1
		}
		return -1
	})
	for _, r := range left {
		if r.PID == os.Getpid() {
			continue
		}
		if r.Alive() {
			_, _ = fmt.Fprintf(out, "  stopping %s (pid %d), left over from a supervisor that was killed\n", r.Name, r.PID)
			if err := r.End(10 * time.Second); err != nil {
				return err
			}
		}
		proc.Remove(at.Run(), r.Name)
	}
	for _, path := range []string{at.StateFile(), filepath.Join(at.Run(), "outcome")} {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return os.RemoveAll(at.Sockets)
}

// purgeHome deletes what the runner made, and the home only if nothing else is in it:
// MALL_HOME may have been set to a directory with other things.
func purgeHome(at layout.Layout) error {
	user, err := source.Unprivileged()
	if err != nil {
		return err
	}
	for _, name := range servers {
		if dir := user.DataDir(at.Home, name, layout.Hash(at.Home)); filepath.Dir(dir) != at.Home {
			if err := os.RemoveAll(filepath.Dir(dir)); err != nil {
				return err
			}
		}
	}
	ours := []string{"bin", "log", "run", "resources", "config", "sock", "postgres", "redis", "kafka", "rocketmq",
		"sentry", "test", "e2e", "e2e.lock",
		"secrets.json", "settings.json", "runner.json", "names.db", "names.db-shm", "names.db-wal"}
	for _, s := range contracts.Services {
		ours = append(ours, s.Folders()...)
	}
	for _, name := range ours {
		if err := os.RemoveAll(filepath.Join(at.Home, name)); err != nil {
			return err
		}
	}
	_ = os.Remove(at.Home) // refused when it is not empty, as it should be
	return nil
}

func status(ctx context.Context, at layout.Layout, asJSON bool) error {
	list, err := processList(ctx, at)
	if errors.Is(err, errDown) && asJSON {
		fmt.Println("[]")
		return exitCode(1)
	}
	if err != nil {
		return err
	}
	if asJSON {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(list)
	}
	printTable(os.Stdout, list)
	return nil
}

func processList(ctx context.Context, at layout.Layout) (list []supervise.Status, err error) {
	raw, err := ask(ctx, at, http.MethodGet, "/status")
	if err != nil {
		return nil, err
	}
	return list, json.Unmarshal(raw, &list)
}

func printTable(out io.Writer, list []supervise.Status) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "  process\tkind\tpid\tport\tstate\trestarts\tmemory")
	total := int64(0)
	for _, s := range list {
		total += s.Memory
		port := fmt.Sprint(s.Port)
		if s.Port == 0 {
			port = "-"
		}
		_, _ = fmt.Fprintf(w, "  %s\t%s\t%d\t%s\t%s\t%d\t%d MB\n", s.Name, s.Kind, s.PID, port, s.State, s.Restarts,
			s.Memory>>20)
	}
	noun := "processes"
	if len(list) == 1 {
		noun = "process"
	}
	_, _ = fmt.Fprintf(w, "  %d %s\t\t\t\t\t\t%d MB\n", len(list), noun, total>>20)
	_ = w.Flush()
}

// logNames are the processes that have written something.
func logNames(at layout.Layout) []string {
	files, _ := filepath.Glob(filepath.Join(at.Home, "log", "*.log"))
	for i, f := range files {
		files[i] = strings.TrimSuffix(filepath.Base(f), ".log")
	}
	slices.Sort(files) // a name comes before those it begins
	return files
}

func listLogs(at layout.Layout) error {
	names := logNames(at)
	if len(names) == 0 {
		return errors.New("there are no logs yet: start the mall")
	}
	fmt.Println(strings.Join(names, "\n"))
	return nil
}

func logs(ctx context.Context, at layout.Layout, name string, follow bool, lines int) error {
	file, err := os.Open(at.Log(filepath.Base(name)))
	if err != nil {
		return fmt.Errorf("there is no log of %q, only of %s", name, strings.Join(logNames(at), ", "))
	}
	defer file.Close() //nolint:errcheck // read only
	raw, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	all := strings.SplitAfter(string(raw), "\n")
	fmt.Print(strings.Join(all[max(0, len(all)-1-lines):], ""))
	for follow && ctx.Err() == nil {
		if _, err := io.Copy(os.Stdout, file); err != nil {
			return err
		}
		time.Sleep(200 * time.Millisecond)
	}
	return nil
}

func kill(ctx context.Context, at layout.Layout, args []string) error {
	if _, err := ask(ctx, at, http.MethodPost, "/kill/"+url.PathEscape(args[0])); err != nil {
		return err
	}
	fmt.Printf("%s got SIGKILL; its supervisor starts it again.\n", args[0])
	return nil
}
