// Package pgbouncer runs a private PgBouncer in front of a private PostgreSQL, for tests: a real shop may have one, and
// in transaction mode a session belongs to nobody.
package pgbouncer

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"daprmall.dev/deploy/internal/source"
	"daprmall.dev/deploy/internal/supervise"
)

// Instance is a PgBouncer in transaction mode that lets everybody in: it lives for minutes, on loopback, before a
// server that holds nothing.
type Instance struct {
	Binary string
	Dir    string
	Port   int
	Server string // DSN of the superuser
	User   source.User
}

// Prepare writes its directory and configuration.
func (i Instance) Prepare() error {
	server, err := url.Parse(i.Server)
	if err != nil {
		return fmt.Errorf("pgbouncer: %w", err)
	}
	if err := i.User.MakeDir(i.Dir); err != nil {
		return err
	}
	password, _ := server.User.Password()
	conf := strings.Join([]string{
		"[databases]",
		fmt.Sprintf("* = host=%s port=%s user=%s password=%s", server.Hostname(), server.Port(), server.User.Username(),
			password),
		"[pgbouncer]",
		"listen_addr = 127.0.0.1",
		"listen_port = " + strconv.Itoa(i.Port),
		"unix_socket_dir =",
		"auth_type = any",
		"pool_mode = transaction",
		"default_pool_size = 10", // of each database: sessions are passed on all the time
		"max_client_conn = 1000",
		"server_idle_timeout = 10",
		"",
	}, "\n")
	return i.User.Write(i.config(), []byte(conf))
}

func (i Instance) config() string { return filepath.Join(i.Dir, "pgbouncer.ini") }

// URL is a DSN through it. Older PgBouncers do not support prepared statements, so none is named.
func (i Instance) URL() string {
	return fmt.Sprintf("postgres://postgres@%s/postgres?sslmode=disable&default_query_exec_mode=exec", i.addr())
}

func (i Instance) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(i.Port)) }

// Spec is how it is kept running.
func (i Instance) Spec(name, log string) supervise.Spec {
	return supervise.Spec{Name: name, Kind: "pgbouncer", Path: i.Binary, Args: []string{i.config()}, Dir: i.Dir,
		Env: []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}, Log: log, User: i.User.Credential(), Port: i.Port,
		Ports: map[string]int{"pgbouncer": i.Port},
		Stop:  syscall.SIGINT, Orphan: syscall.SIGTERM, Patience: 5 * time.Second}
}

// Wait returns when it answers.
func (i Instance) Wait(ctx context.Context) error {
	for {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", i.addr())
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("pgbouncer does not answer: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
