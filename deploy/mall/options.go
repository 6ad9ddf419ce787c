package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"daprmall.dev/deploy/internal/broker"
)

// options are what up was asked for; a detached supervisor gets them as arguments.
type options struct {
	detach   bool
	only     []string
	replicas map[string]int
	noBuild  bool
	install  bool // apt-get may install what nothing else brings
	broker   broker.Kind
	mtls     bool // sidecars have certificates and access control lists
	patience time.Duration
}

// flags declares them. A value of the environment that cannot be read is like an argument that cannot.
func (o *options) flags(f *pflag.FlagSet) {
	f.BoolVarP(&o.detach, "detach", "d", false, "run in the background, and return when the mall is ready")
	f.StringSliceVar(&o.only, "only", fields(os.Getenv("MALL_ONLY")), "only these services, with the servers they need")
	o.broker = broker.Chosen()
	f.Var(&o.broker, "broker", "what carries the events: redis, kafka or rocketmq (MALL_BROKER)")
	f.BoolVar(&o.mtls, "mtls", mtlsChosen(),
		"mutual TLS and access control lists between the sidecars, with Dapr's sentry (MALL_MTLS=1)")
	f.StringToIntVar(&o.replicas, "replicas", nil, "number of processes per service, such as order=2,product=2")
	f.BoolVar(&o.noBuild, "no-build", false, "do not build, start the programs built before")
	f.DurationVar(&o.patience, "patience", 2*time.Minute, "how long to wait until the mall is ready")
	f.BoolVar(&o.install, "install", installByEnvironment(),
		"allow apt-get to install a missing server, if it cannot be obtained otherwise (MALL_INSTALL=1)")
}

// parseOptions reads what args has written.
func parseOptions(args []string) (o options, err error) {
	f := pflag.NewFlagSet("up", pflag.ContinueOnError)
	o.flags(f)
	return o, f.Parse(args)
}

func fields(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
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
	return append(out, fmt.Sprintf("--mtls=%t", o.mtls), "--broker", string(o.broker), "--patience", o.patience.String())
}

// wants reports whether a process was asked for: everything was, if nothing was named.
func (o options) wants(name string) bool { return len(o.only) == 0 || slices.Contains(o.only, name) }
