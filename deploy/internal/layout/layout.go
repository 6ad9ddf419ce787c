// Package layout says where one mall lives: its repository, its home directory, its
// ports and its sockets, so that two malls on one machine never meet.
package layout

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
)

// DefaultBase is the gateway's port in dapr.yaml; every other port keeps its distance to it.
const DefaultBase = 8080

// Layout is where one mall lives.
type Layout struct {
	Root    string // the repository
	Home    string // data, logs, binaries and secrets of this mall
	Base    int    // the gateway's port
	Cache   string // what is built or fetched once per machine, shared by all malls
	Sockets string // short: a Unix socket's path has about 100 characters
}

// Find takes the repository from the working directory, and the rest from MALL_HOME,
// MALL_PORT_BASE and MALL_CACHE.
func Find() (Layout, error) {
	root, err := findRoot()
	if err != nil {
		return Layout{}, err
	}
	home := os.Getenv("MALL_HOME")
	if home == "" {
		home = filepath.Join(root, ".mall")
	}
	if home, err = filepath.Abs(home); err != nil {
		return Layout{}, err
	}
	base := DefaultBase
	if s := os.Getenv("MALL_PORT_BASE"); s != "" {
		// The furthest port is 510 above the base, replicas add to that.
		if base, err = strconv.Atoi(s); err != nil || base < 1024 || base > 64000 {
			return Layout{}, fmt.Errorf("MALL_PORT_BASE=%q: want a port from 1024 to 64000", s)
		}
	}
	cache, err := cacheDir()
	if err != nil {
		return Layout{}, err
	}
	return Layout{Root: root, Home: home, Base: base, Cache: cache, Sockets: socketDir(home)}, nil
}

// Shift moves a port of dapr.yaml to this mall's range.
func (p Layout) Shift(port int) int { return port + p.Base - DefaultBase }

// SentryPort and SentryHealthPort are those of the certificate authority, below PostgreSQL's.
func (p Layout) SentryPort() int { return p.Base + 498 }

// SentryHealthPort is where it reports that it is ready.
func (p Layout) SentryHealthPort() int { return p.Base + 499 }

// PostgresPort and RedisPort follow the base like every other port.
func (p Layout) PostgresPort() int { return p.Base + 500 }

// RedisPort is the port of this mall's private Redis.
func (p Layout) RedisPort() int { return p.Base + 501 }

// BrokerPort is the first of nine ports of this mall's Kafka or RocketMQ.
func (p Layout) BrokerPort() int { return p.Base + 502 }

// Bin is the directory of built programs.
func (p Layout) Bin(name string) string { return filepath.Join(p.Home, "bin", name) }

// Log is the log file of one process.
func (p Layout) Log(name string) string { return filepath.Join(p.Home, "log", name+".log") }

// Run holds pid records and the state file.
func (p Layout) Run() string { return filepath.Join(p.Home, "run") }

// StateFile has what the other commands (audit, load, …) need to reach this mall.
func (p Layout) StateFile() string { return filepath.Join(p.Run(), "state.json") }

// Control is the supervisor's socket.
func (p Layout) Control() string { return filepath.Join(p.Sockets, "control.sock") }

// Make creates the directories of the home. Others may pass through the home, because
// PostgreSQL runs as another user when the mall is started by root; what is private in
// it carries its own mode.
func (p Layout) Make() error {
	if err := os.MkdirAll(p.Home, 0o755); err != nil {
		return err
	}
	if os.Geteuid() == 0 { // a directory made by mktemp is closed
		if err := os.Chmod(p.Home, 0o755); err != nil {
			return err
		}
	}
	for _, d := range []string{"bin", "log", "run", "resources", "config", "mail"} {
		if err := os.MkdirAll(filepath.Join(p.Home, d), 0o700); err != nil {
			return err
		}
		// One that was there may be open: who reads mail sets passwords.
		if err := os.Chmod(filepath.Join(p.Home, d), 0o700); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(p.Sockets, 0o700); err != nil {
		return err
	}
	if err := p.ownSockets(); err != nil {
		return err
	}
	return os.Chmod(p.Sockets, 0o700)
}

// ownSockets refuses a directory that is not ours: it may be in a place anyone can write to, and root could close what
// a link of somebody else's leads to, or put its sockets where their owner can replace them.
func (p Layout) ownSockets() error {
	info, err := os.Lstat(p.Sockets)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok || int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s is not a directory of this user: remove it, or choose another MALL_HOME", p.Sockets)
	}
	return nil
}

func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		_, err := os.Stat(filepath.Join(dir, "go.work"))
		if err == nil {
			return dir, nil
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return "", errors.New("no go.work in this directory or above: run this inside the repository")
		}
		dir = filepath.Dir(dir)
	}
}

// cacheDir is the user's cache. Root's home is closed to the unprivileged user that
// PostgreSQL and Redis run as, so root uses the system's.
func cacheDir() (string, error) {
	if dir := os.Getenv("MALL_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	if os.Geteuid() == 0 && runtime.GOOS == "linux" {
		return "/var/cache/mall", nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache directory (set MALL_CACHE): %w", err)
	}
	return filepath.Join(dir, "mall"), nil
}

func socketDir(home string) string {
	dir := filepath.Join(home, "sock")
	if len(dir) <= 60 {
		return dir
	}
	return filepath.Join(os.TempDir(), "mall-"+Hash(home))
}

// Hash shortens a path to a name that is unique on this machine.
func Hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:5])
}
