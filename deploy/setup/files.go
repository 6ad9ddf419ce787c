package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/spf13/cobra"

	"daprmall.dev/deploy/internal/broker"
	"daprmall.dev/deploy/internal/containers"
	"daprmall.dev/deploy/internal/redis"
	"daprmall.dev/deploy/internal/secrets"
	"daprmall.dev/services/contracts"
)

func filesCommand() *cobra.Command {
	v := volume{broker: broker.Redis}
	var data string
	c := &cobra.Command{Use: "files", Args: cobra.NoArgs,
		Short: "Write what every container is given into the mall's volume; what is there stays as it is"}
	v.flags(c)
	c.Flags().StringVar(&v.components, "components", "/source/components", "the repository's directory of components")
	c.Flags().StringVar(&v.config, "config", "/source/dapr-config", "the repository's directory of configurations")
	c.Flags().StringVar(&data, "data", "", "a directory in which the volumes of servers are mounted, to give them away")
	c.RunE = func(*cobra.Command, []string) error { return v.fill(data) }
	return c
}

func (v *volume) flags(c *cobra.Command) {
	c.Flags().StringVar(&v.home, "home", home, "where the mall's volume is mounted")
	c.Flags().Var(&v.broker, "broker", "what carries the events: redis or kafka")
}

// fill writes the whole volume. It changes only what differs, because containers may be running.
func (v volume) fill(data string) error {
	if v.broker == broker.RocketMQ {
		return errors.New("in containers the events travel on redis or kafka")
	}
	m, err := v.load()
	if err != nil {
		return err
	}
	steps := []func() error{v.program, func() error { return v.servers(m) }, func() error { return v.demo(m) },
		func() error { return giveAway(data) }}
	for _, app := range containers.Apps() {
		steps = append(steps, func() error { return v.app(m, app) })
	}
	for _, do := range steps {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

// program copies this program, with which all containers start.
func (v volume) program() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	raw, err := os.ReadFile(self)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(v.home, "bin"), 0o755); err != nil {
		return err
	}
	_, err = keep(filepath.Join(v.home, "bin", "setup"), raw, 0o755)
	return err
}

// servers writes the passwords and the configuration of the servers that keep data.
func (v volume) servers(m containers.Mall) error {
	redisServer := redis.Instance{Bind: "* -::*", Dir: "/data", Port: 6379, Password: m.Store.RedisPassword(),
		Users: redis.SettingsReaders(m.Store.SettingsReaders())}
	kafka, err := broker.KafkaFiles(kafkaAddr, "/var/lib/kafka/data")
	if err != nil {
		return err
	}
	grafana, err := v.grafanaPassword()
	if err != nil {
		return err
	}
	all := map[string]map[string]string{
		containers.Postgres: {"password": m.Own.PostgresPassword},
		containers.Redis:    {"redis.conf": redisServer.Config(), "password": m.Store.RedisPassword()},
		containers.Kafka:    kafka,
		containers.Grafana:  {"password": grafana},
	}
	for container, files := range all {
		for name, text := range files {
			if err := v.write(container, name, []byte(text)); err != nil {
				return err
			}
		}
	}
	return nil
}

// grafanaPassword is made once, in the only place where it is needed.
func (v volume) grafanaPassword() (string, error) {
	raw, err := os.ReadFile(filepath.Join(v.home, containers.Grafana, "password"))
	if errors.Is(err, fs.ErrNotExist) {
		return rand.Text(), nil
	}
	return string(raw), err
}

// app writes the files of an app, its sidecar and its component.
func (v volume) app(m containers.Mall, app string) error {
	files := map[string]map[string]string{app: m.AppEnv(app), containers.Sidecar(app): m.SidecarEnv(app)}
	if containers.HasComponent(app) {
		files[containers.Component(app)] = m.ComponentEnv(app)
	}
	for container, variables := range files {
		variables = maps.Clone(variables)
		// As on one machine, where a score of processes share the cores (docs/performance.md). The limits of memory are
		// for at most four: user hashes as many passwords at a time.
		variables["GOMAXPROCS"] = strconv.Itoa(min(4, max(1, runtime.NumCPU()/2)))
		if err := v.write(container, "env", environment(variables)); err != nil {
			return err
		}
	}
	sidecar := containers.Sidecar(app)
	next := filepath.Join(v.private(), "next")
	if err := errors.Join(os.RemoveAll(next), os.Mkdir(next, 0o700)); err != nil {
		return err
	}
	defer os.RemoveAll(next) //nolint:errcheck // the next start does it, too
	if err := m.SidecarFiles(app, next, filepath.Join(v.home, sidecar)); err != nil {
		return fmt.Errorf("%s: %w", sidecar, err)
	}
	if err := v.replace(sidecar, next); err != nil {
		return err
	}
	service, _ := contracts.Find(app)
	for _, folder := range service.Folders() {
		// Its volume is mounted here (render keeps the path of .mall/mail below home).
		if err := os.MkdirAll(filepath.Join(v.home, sidecar, folder), 0o750); err != nil {
			return err
		}
	}
	return nil
}

// replace makes a sidecar's directory have the files of another, besides env and the folders of components.
func (v volume) replace(sidecar, from string) error {
	dir, err := v.directory(sidecar)
	if err != nil {
		return err
	}
	resources := filepath.Join(dir, "resources")
	if err := errors.Join(os.MkdirAll(resources, 0o750), give(resources, containers.User(sidecar))); err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, name := range []string{"config.yaml", "secrets.json"} {
		wanted[name] = true
	}
	rendered, err := os.ReadDir(filepath.Join(from, "resources"))
	if err != nil {
		return err
	}
	for _, f := range rendered {
		wanted[filepath.Join("resources", f.Name())] = true
	}
	for name := range wanted {
		raw, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if err := v.write(sidecar, name, raw); err != nil {
			return err
		}
	}
	present, err := os.ReadDir(resources)
	if err != nil {
		return err
	}
	for _, f := range present { // of an earlier version or broker
		if name := filepath.Join("resources", f.Name()); !wanted[name] {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// demo writes what the program that loads demo data must know (deploy/internal/running).
func (v volume) demo(m containers.Mall) error {
	dir := filepath.Join(v.home, containers.Seed)
	state, err := json.Marshal(map[string]string{"home": dir, "gateway": gatewayURL})
	if err != nil {
		return err
	}
	admin, err := json.Marshal(secrets.Store{"first-admin": m.Store["first-admin"]})
	if err != nil {
		return err
	}
	return errors.Join(v.write(containers.Seed, "state.json", state), v.write(containers.Seed, "secrets.json", admin))
}

// giveAway lets the servers write to their volumes, each of which is mounted under the name of its container. A volume
// belongs to root until then.
func giveAway(data string) error {
	if data == "" {
		return nil
	}
	mounted, err := os.ReadDir(data)
	if err != nil {
		return err
	}
	for _, d := range mounted {
		id := containers.User(d.Name())
		if id == 0 {
			return fmt.Errorf("%s: there is no container %s", data, d.Name())
		}
		if err := os.Chown(filepath.Join(data, d.Name()), id, id); err != nil {
			return err
		}
	}
	return nil
}

func firstAdminCommand() *cobra.Command {
	v := volume{}
	c := &cobra.Command{Use: "first-admin", Args: cobra.NoArgs,
		Short: "Print the one-time secret that makes the first admin"}
	c.Flags().StringVar(&v.home, "home", home, "where the mall's volume is mounted")
	c.RunE = func(c *cobra.Command, _ []string) error {
		store, err := secrets.Read(v.private())
		if err == nil {
			_, err = fmt.Fprintln(c.OutOrStdout(), store.FirstAdmin())
		}
		return err
	}
	return c
}
