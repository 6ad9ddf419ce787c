package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options are what up was asked for; a detached supervisor gets them as arguments.
type options struct {
	detach   bool
	only     []string
	replicas map[string]int
	noBuild  bool
	install  bool // apt-get may install what nothing else brings
	patience time.Duration
}

func parseUp(args []string) (options, error) {
	o := options{replicas: map[string]int{}}
	f := flag.NewFlagSet("up", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	only := f.String("only", os.Getenv("MALL_ONLY"), "")
	f.BoolVar(&o.detach, "detach", false, "")
	f.BoolVar(&o.detach, "d", false, "")
	f.BoolVar(&o.noBuild, "no-build", false, "")
	install, err := installByEnvironment()
	if err != nil {
		return o, err
	}
	f.BoolVar(&o.install, "install", install, "")
	f.DurationVar(&o.patience, "patience", 2*time.Minute, "")
	f.Func("replicas", "", func(s string) error {
		for part := range strings.SplitSeq(s, ",") {
			app, count, ok := strings.Cut(part, "=")
			n, err := strconv.Atoi(count)
			if !ok || err != nil {
				return fmt.Errorf("want app=number, such as order=2")
			}
			o.replicas[app] = n
		}
		return nil
	})
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("up: what is %q?", f.Arg(0))
	}
	for name := range strings.SplitSeq(*only, ",") {
		if name = strings.TrimSpace(name); name != "" {
			o.only = append(o.only, name)
		}
	}
	return o, nil
}

// args says the same to a supervisor in another process.
func (o options) args() []string {
	var out []string
	if len(o.only) > 0 {
		out = append(out, "--only", strings.Join(o.only, ","))
	}
	for app, n := range o.replicas {
		out = append(out, "--replicas", fmt.Sprintf("%s=%d", app, n))
	}
	if o.noBuild {
		out = append(out, "--no-build")
	}
	if o.install {
		out = append(out, "--install")
	}
	return append(out, "--patience", o.patience.String())
}

// wants says whether a process was asked for: everything was, if nothing was named.
func (o options) wants(name string) bool { return len(o.only) == 0 || slices.Contains(o.only, name) }
