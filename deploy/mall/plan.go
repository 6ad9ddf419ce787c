package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"

	"daprmall.dev/deploy/internal/broker"
	"daprmall.dev/deploy/internal/layout"
	"daprmall.dev/deploy/internal/redis"
	"daprmall.dev/deploy/internal/runfile"
	"daprmall.dev/deploy/internal/secrets"
	"daprmall.dev/deploy/internal/sentry"
	"daprmall.dev/deploy/internal/supervise"
)

// luaComponent is the pluggable component's program, directory and Dapr component name.
const (
	luaProgram   = "redislua"
	luaDirectory = "components/redislua"
	luaComponent = "redis-lua"
	luaSocket    = "redislua.sock"
)

// plan says which apps to start: those of dapr.yaml that were asked for, moved to this
// mall's ports, in as many copies as asked for.
func plan(at layout.Layout, o options) ([]runfile.App, error) {
	all, err := runfile.Read(filepath.Join(at.Root, "dapr.yaml"))
	if err != nil {
		return nil, err
	}
	o.broker = cmp.Or(o.broker, broker.Redis)
	if err := o.broker.Set(string(o.broker)); err != nil { // the environment is not checked as a flag is
		return nil, err
	}
	if _, err := mtlsByEnvironment(); err != nil {
		return nil, err
	}
	known := []string{"postgres", "redis"}
	if o.broker != broker.Redis {
		known = append(known, string(o.broker))
	}
	for _, a := range all {
		known = append(known, a.ID)
	}
	for _, name := range o.only {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("--only %s: there is no such process, only %v", name, known)
		}
	}
	apps, err := runfile.Replicate(all, o.replicas)
	if err != nil {
		return nil, err
	}
	apps = slices.DeleteFunc(apps, func(a runfile.App) bool { return !o.wants(a.ID) })
	for i := range apps {
		apps[i] = apps[i].Shift(at.Base - layout.DefaultBase)
	}
	return apps, nil
}

// appProcesses turns one app into its processes: the component its sidecar needs, the sidecar, the app.
type appProcesses struct {
	at      layout.Layout
	app     runfile.App
	own     secrets.Own
	daprd   string
	redis   string // address
	redisPW string
	lua     bool
	broker  broker.Kind
	topics  func(ctx context.Context) error // waits until the broker has them
	sentry  *sentry.Instance                // nil without mTLS
}

func (c appProcesses) sockets() string { return filepath.Join(c.at.Sockets, c.app.Name()) }

// component is first: a sidecar that does not find its socket exits.
func (c appProcesses) component() supervise.Spec {
	name := c.app.Name() + "-" + luaProgram
	socket := filepath.Join(c.sockets(), luaSocket)
	return supervise.Spec{Name: name, Kind: "component", Path: c.at.Bin(luaProgram), Dir: c.at.Home, Log: c.at.Log(name),
		Env: []string{"APP_INSTANCE=" + c.app.Name(), "REDISLUA_SOCKET=" + socket, "REDISLUA_REDIS_ADDR=" + c.redis,
			"REDISLUA_REDIS_PASSWORD=" + c.redisPW,
			"REDISLUA_OPERATIONS=" + redis.ScriptsOf(c.app.ID),
			"DAPR_COMPONENT_SOCKETS_FOLDER=" + c.sockets(), "DAPR_COMPONENTS_SOCKETS_FOLDER=" + c.sockets(), threads(),
			"GOMEMLIMIT=64MiB", "GOGC=300"},
		Stop: syscall.SIGTERM, Orphan: syscall.SIGKILL, Patience: 5 * time.Second,
		Before: func(context.Context) error {
			// A socket left by a dead process makes a starting sidecar wait for ever.
			if err := os.Remove(socket); err != nil && !os.IsNotExist(err) {
				return err
			}
			return nil
		}}
}

func (c appProcesses) sidecar() (supervise.Spec, error) {
	a := c.app
	name := a.Name() + "-daprd"
	args := []string{
		"--app-id", a.ID, "--app-port", strconv.Itoa(a.Port), "--app-protocol", a.Protocol, "--app-channel-address",
		"127.0.0.1",
		"--dapr-http-port", strconv.Itoa(a.DaprHTTP), "--dapr-grpc-port", strconv.Itoa(a.DaprGRPC),
		"--dapr-internal-grpc-port", strconv.Itoa(a.DaprInternal), "--metrics-port", strconv.Itoa(a.Metrics),
		// Without this flag daprd listens on all interfaces. It does not depend on dapr.yaml.
		"--dapr-listen-addresses", "127.0.0.1", "--dapr-internal-grpc-listen-address", "127.0.0.1",
		"--metrics-listen-address", "127.0.0.1",
		"--config", filepath.Join(c.at.Home, "config", filepath.Base(a.ConfigFile)),
		"--resources-path", filepath.Join(c.at.Home, "resources"),
		"--log-level", a.LogLevel, "--log-as-json",
		"--max-body-size", a.MaxBody, "--read-buffer-size", a.ReadBuffer,
		"--dapr-graceful-shutdown-seconds", "10",
	}
	if a.HealthCheck && c.broker.ChecksHealth() {
		args = append(args, "--enable-app-health-check", "--app-health-check-path", a.HealthPath,
			"--app-health-probe-interval", strconv.Itoa(a.ProbeInterval), "--app-health-probe-timeout",
			strconv.Itoa(a.ProbeTimeout),
			"--app-health-threshold", strconv.Itoa(a.Threshold))
	}
	env := []string{"PATH=/usr/bin:/bin", "DAPR_API_TOKEN=" + c.own.DaprTokens[a.ID],
		"APP_API_TOKEN=" + c.own.AppTokens[a.ID],
		"DAPR_COMPONENTS_SOCKETS_FOLDER=" + c.sockets(), "DAPR_HOST_IP=127.0.0.1", threads(), "GOMEMLIMIT=150MiB", "GOGC=200"}
	if c.sentry != nil {
		flags, variables, err := c.sentry.Sidecar(a.ID)
		if err != nil {
			return supervise.Spec{}, err
		}
		args, env = append(args, flags...), append(env, variables...)
	}
	ports := a.Ports()
	delete(ports, "app")
	delete(ports, "operator")
	return supervise.Spec{Name: name, Kind: "sidecar", Path: c.daprd, Args: args, Dir: c.at.Home, Env: env,
		Log:  c.at.Log(name),
		Port: a.DaprHTTP, Ports: ports, Stop: syscall.SIGTERM, Orphan: syscall.SIGKILL, Patience: 15 * time.Second,
		Before: func(ctx context.Context) error {
			if err := waitSentry(ctx, c.sentry); err != nil {
				return err
			}
			if err := c.topics(ctx); err != nil || !c.lua {
				return err
			}
			return waitSocket(ctx, filepath.Join(c.sockets(), luaSocket), 20*time.Second)
		}}, nil
}

// process is the app itself: it gets its ports and tokens, and nothing else of ours.
func (c appProcesses) process() supervise.Spec {
	a := c.app
	env := []string{"APP_ID=" + a.ID, "APP_INSTANCE=" + a.Name(), "APP_PORT=" + strconv.Itoa(a.Port), "APP_HOST=127.0.0.1",
		"DAPR_HTTP_PORT=" + strconv.Itoa(a.DaprHTTP), "DAPR_GRPC_PORT=" + strconv.Itoa(a.DaprGRPC),
		"DAPR_API_TOKEN=" + c.own.DaprTokens[a.ID], "APP_API_TOKEN=" + c.own.AppTokens[a.ID],
		"EVENTS_TOKEN=" + c.own.EventsTokens[a.ID], threads()}
	for k, v := range a.Env {
		env = append(env, k+"="+v)
	}
	return supervise.Spec{Name: a.Name(), Kind: "app", Path: c.at.Bin(a.ID), Dir: a.Dir, Env: env, Log: c.at.Log(a.Name()),
		Port: a.Port, Ports: appPorts(a), Handover: time.Minute,
		Stop: syscall.SIGTERM, Orphan: syscall.SIGKILL, Patience: 15 * time.Second}
}

// appPorts are those of its ports on which an app itself listens.
func appPorts(a runfile.App) map[string]int {
	ports := map[string]int{"app": a.Port}
	if operator := a.Ports()["operator"]; operator != 0 {
		ports["operator"] = operator
	}
	return ports
}

// threads gives each process half the cores: a score of them share the machine, and with all of it each they mostly
// wake each other's idle threads (docs/performance.md).
func threads() string { return "GOMAXPROCS=" + strconv.Itoa(max(1, runtime.NumCPU()/2)) }

// waitSocket returns when a process listens at a Unix socket.
func waitSocket(ctx context.Context, path string, patience time.Duration) error {
	for deadline := time.Now().Add(patience); ; {
		conn, err := net.DialTimeout("unix", path, time.Second)
		if err == nil {
			return conn.Close()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no process listens at %s", path)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(30 * time.Millisecond):
		}
	}
}
