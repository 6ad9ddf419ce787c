package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"daprmall.dev/deploy/daprd"
	"daprmall.dev/deploy/internal/broker"
	"daprmall.dev/deploy/internal/layout"
	"daprmall.dev/deploy/internal/postgres"
	"daprmall.dev/deploy/internal/proc"
	"daprmall.dev/deploy/internal/redis"
	"daprmall.dev/deploy/internal/source"
)

// finding is one thing looked at: fine, or with its cure.
type finding struct {
	what, got, cure string
	warning         bool
}

// doctor looks at everything a mall needs, starts nothing, and names the cure of what is missing.
func doctor(ctx context.Context, at layout.Layout, _ []string) error {
	list := []finding{checkGo(ctx), checkGit(ctx), checkPlatform(), checkHome(at), checkDisk(at)}
	r, _ := proc.Read(at.Run(), supervisorName)
	running := r.Alive()
	list = append(list, checkSidecar(ctx, at), checkPostgres(ctx, at), checkRedis(ctx, at))
	if k := broker.Chosen(); k != broker.Redis && os.Getenv(k.Variable()) == "" {
		found, err := broker.Look(ctx, k)
		list = append(list, server(string(k), found, err))
	}
	if running {
		list = append(list, finding{what: "mall", got: fmt.Sprintf("running, supervisor pid %d", r.PID)})
	} else {
		list = append(list, checkPorts(at), checkLeftovers(at))
	}
	ill := 0
	for _, f := range list {
		mark := "✓"
		if f.cure != "" {
			mark = "✗"
			if f.warning {
				mark = "!"
			} else {
				ill++
			}
		}
		fmt.Printf("  %s %-12s %s\n", mark, f.what, f.got)
		if f.cure != "" {
			fmt.Printf("    %-12s → %s\n", "", f.cure)
		}
	}
	if ill > 0 {
		fmt.Printf("\n%d problems to solve before the mall can start.\n", ill)
		return exitCode(1)
	}
	fmt.Println("\nThe mall can start: go run ./deploy/mall up")
	return nil
}

func checkGo(ctx context.Context) finding {
	out, err := exec.CommandContext(ctx, "go", "version").Output()
	if err != nil {
		return finding{what: "Go", got: "not found", cure: "install Go 1.26 or newer: https://go.dev/dl"}
	}
	return finding{what: "Go", got: strings.TrimSpace(string(out))}
}

func checkGit(ctx context.Context) finding {
	out, err := exec.CommandContext(ctx, "git", "--version").Output()
	if err != nil {
		return finding{what: "git", got: "not found", cure: "install git; Go needs it for modules that no proxy has",
			warning: true}
	}
	return finding{what: "git", got: strings.TrimSpace(string(out))}
}

func checkPlatform() finding {
	f := finding{what: "machine", got: fmt.Sprintf("%s/%s, %d cores", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())}
	if runtime.GOOS == "windows" {
		f.cure = "run it in WSL: the sidecar's plug-in talks over Unix sockets"
	}
	return f
}

func checkHome(at layout.Layout) finding {
	f := finding{what: "home", got: at.Home}
	if err := at.Make(); err != nil {
		f.got = err.Error()
		f.cure = "set MALL_HOME to a directory you can write to"
	}
	return f
}

func checkDisk(at layout.Layout) finding {
	var st syscall.Statfs_t
	if err := syscall.Statfs(at.Home, &st); err != nil {
		return finding{what: "disk", got: err.Error(), cure: "check the disk of MALL_HOME", warning: true}
	}
	free := st.Bavail * uint64(st.Bsize) >> 30
	f := finding{what: "disk", got: fmt.Sprintf("%d GB free", free)}
	if free < 5 {
		f.cure, f.warning = "free some space: the first build needs about 5 GB for Go's caches", true
	}
	return f
}

func checkSidecar(ctx context.Context, at layout.Layout) finding {
	found, ok, err := daprd.Find(ctx, at.Cache)
	switch {
	case err != nil:
		return finding{what: "daprd", got: err.Error(), cure: "MALL_DAPRD must be the path of a daprd, or \"build\""}
	case ok:
		return finding{what: "daprd", got: fmt.Sprintf("%s, %s (%s)", found.Version, found.From, found.Path)}
	}
	f := finding{what: "daprd", got: "will be built by the first up, about 3 minutes"}
	if err := goModule(ctx, "github.com/dapr/dapr@v"+daprd.Version); err != nil {
		f.got = "not found, and the Go module proxy does not answer: " + err.Error()
		f.cure, f.warning = "install Dapr "+daprd.Version+", or set GOPROXY to a proxy that can be reached", true
	}
	return f
}

// checkPostgres looks where up will look; data that are there already want the version that wrote them.
func checkPostgres(ctx context.Context, at layout.Layout) finding {
	if dsn := os.Getenv("MALL_POSTGRES_URL"); dsn != "" {
		return answers("PostgreSQL", "MALL_POSTGRES_URL", func() error {
			ctx, cancel := context.WithTimeout(ctx, answerWithin)
			defer cancel()
			return postgres.Wait(ctx, dsn)
		})
	}
	user, err := source.Unprivileged()
	if err != nil {
		return finding{what: "PostgreSQL", got: err.Error(),
			cure: "start the mall as a user other than root, or create one: useradd --system postgres"}
	}
	found, err := source.LookPostgres(ctx, at.Cache, postgres.DataMajor(postgresData(at, user)))
	return server("PostgreSQL", found, err)
}

func checkRedis(ctx context.Context, at layout.Layout) finding {
	if addr := os.Getenv("MALL_REDIS_ADDR"); addr != "" {
		return answers("Redis", "MALL_REDIS_ADDR", func() error {
			ctx, cancel := context.WithTimeout(ctx, answerWithin)
			defer cancel()
			return redis.Wait(ctx, addr, os.Getenv("MALL_REDIS_PASSWORD"))
		})
	}
	found, err := source.LookRedis(ctx, at.Cache)
	return server("Redis", found, err)
}

// answerWithin is how long a running server may take.
const answerWithin = 3 * time.Second

func answers(what, variable string, ask func() error) finding {
	if err := ask(); err != nil {
		return finding{what: what, got: strings.ReplaceAll(err.Error(), "\n", ": "),
			cure: "start what " + variable + " names, or unset it"}
	}
	return finding{what: what, got: "answers at " + variable}
}

// server splits an error: its last line is the advice.
func server(what string, found source.Found, err error) finding {
	if err == nil && found.Package != "" {
		return finding{what: what, got: found.From, cure: "go run ./deploy/mall up --install"}
	}
	if err == nil {
		return finding{what: what, got: found.String()}
	}
	words := err.Error()
	if cut := strings.LastIndex(words, "\n"); cut > 0 {
		return finding{what: what, got: words[:cut], cure: words[cut+1:]}
	}
	return finding{what: what, got: "not available", cure: words}
}

// goModule asks Go's own module source, whatever it is set to here.
func goModule(ctx context.Context, module string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "list", "-m", module)
	cmd.Dir = os.TempDir() // outside any module
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

func checkPorts(at layout.Layout) finding {
	apps, err := plan(at, options{})
	if err != nil {
		return finding{what: "dapr.yaml", got: err.Error(), cure: "mend dapr.yaml"}
	}
	ports := []int{at.PostgresPort(), at.RedisPort()}
	if mtlsChosen() {
		ports = append(ports, at.SentryPort(), at.SentryHealthPort())
	}
	for _, a := range apps {
		for _, p := range a.Ports() {
			ports = append(ports, p)
		}
	}
	var taken []string
	for _, p := range ports {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
		if err != nil {
			taken = append(taken, strconv.Itoa(p))
			continue
		}
		_ = l.Close()
	}
	f := finding{what: "ports", got: fmt.Sprintf("%d free, from %d to %d", len(ports), at.Base, at.RedisPort())}
	if len(taken) > 0 {
		f.got = "taken: " + strings.Join(taken, ", ")
		f.cure = fmt.Sprintf("stop the program that listens there, or choose other ports: MALL_PORT_BASE=%d", at.Base+1000)
	}
	return f
}

func checkLeftovers(at layout.Layout) finding {
	left, _ := proc.ReadAll(at.Run())
	var names []string
	for _, r := range left {
		if r.Alive() {
			names = append(names, r.Name)
		}
	}
	f := finding{what: "leftovers", got: "none"}
	if len(names) > 0 {
		f.got, f.cure, f.warning = strings.Join(names, ", "), "go run ./deploy/mall down", true
	}
	return f
}
