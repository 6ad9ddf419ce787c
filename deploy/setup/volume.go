package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"daprmall.dev/deploy/internal/broker"
	"daprmall.dev/deploy/internal/containers"
	"daprmall.dev/deploy/internal/redis"
	"daprmall.dev/deploy/internal/secrets"
	"daprmall.dev/deploy/internal/settings"
	"daprmall.dev/services/contracts"
)

// Addresses in the mall's network.
const (
	postgresAddr = "postgres:5432"
	redisAddr    = "redis:6379"
	kafkaAddr    = "kafka:9092"
	gatewayURL   = "http://api-gateway:8080"
	// sidecars is where a sidecar answers others, by its app: all listen on the same port.
	sidecars = "{appid}:50002"
)

// volume is the mall's volume: a directory for each container, which only this container can read, and one that none
// can, with everything that must be kept.
type volume struct {
	home   string
	broker broker.Kind
	// Dapr's files in the repository
	components, config string
}

func (v volume) private() string { return filepath.Join(v.home, "private") }

// settings opens the configuration store, whose record is beside the secrets.
func (v volume) settings(store secrets.Store) settings.Store {
	file := filepath.Join(v.private(), "settings")
	return settings.Store{Redis: redis.Open(redisAddr, store.RedisPassword()),
		Record: settings.Record{File: file + ".json", Lock: file + ".lock"}}
}

// load reads the mall's secrets and makes those that are missing.
func (v volume) load() (containers.Mall, error) {
	m := containers.Mall{Components: v.components, Config: v.config, Redis: redisAddr, Broker: v.broker,
		Names: sidecars}
	if v.broker == broker.Kafka {
		m.BrokerAddr = kafkaAddr
	}
	if err := os.MkdirAll(v.private(), 0o700); err != nil {
		return m, err
	}
	var err error
	if m.Store, m.Own, err = secrets.Load(v.private(), containers.Apps()); err != nil {
		return m, err
	}
	for _, name := range contracts.Databases() {
		m.Store.SetDatabase(name, postgresAddr, "sslmode=disable")
	}
	if err := v.keepEventsTokens(m.Own.EventsTokens); err != nil {
		return m, err
	}
	return m, secrets.Save(v.private(), m.Store)
}

// keepEventsTokens takes over the tokens of the first start: an app that goes on while everything is set up again and
// its sidecar, if that is restarted, must have the same one.
func (v volume) keepEventsTokens(tokens map[string]string) error {
	file := filepath.Join(v.private(), "events.json")
	raw, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(raw, &tokens)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if raw, err = json.MarshalIndent(tokens, "", "  "); err != nil {
		return err
	}
	_, err = keep(file, append(raw, '\n'), 0o600)
	return err
}

// write writes a file of a container, which only its group reads.
func (v volume) write(container, name string, content []byte) error {
	dir, err := v.directory(container)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, name)
	if _, err := keep(file, content, 0o640); err != nil {
		return err
	}
	return give(file, containers.User(container))
}

// directory makes that of a container.
func (v volume) directory(container string) (string, error) {
	dir := filepath.Join(v.home, container)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o750); err != nil { // a mount inside it has made it, or the umask
		return "", err
	}
	return dir, give(dir, containers.User(container))
}

// give lets a group read what this program, as root, owns. It takes CAP_CHOWN and nothing else.
func give(path string, group int) error {
	if os.Geteuid() != 0 {
		return nil // in a test
	}
	return os.Lchown(path, 0, group)
}

// environment is a file of variables for run.
func environment(variables map[string]string) []byte {
	var lines []string
	for name, value := range variables {
		lines = append(lines, name+"="+value+"\n")
	}
	slices.Sort(lines)
	return []byte(strings.Join(lines, ""))
}

// keep replaces a file in one step, unless it has this content already.
func keep(file string, content []byte, mode os.FileMode) (changed bool, err error) {
	if old, err := os.ReadFile(file); err == nil && string(old) == string(content) {
		return false, os.Chmod(file, mode)
	}
	next := file + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if err := os.WriteFile(next, content, mode); err != nil {
		return false, err
	}
	if err := os.Chmod(next, mode); err != nil { // whatever the umask is
		return false, err
	}
	return true, os.Rename(next, file)
}
