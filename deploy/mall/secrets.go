package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"daprmall.dev/deploy/internal/layout"
	"daprmall.dev/deploy/internal/metrics"
	"daprmall.dev/deploy/internal/postgres"
	"daprmall.dev/deploy/internal/secrets"
	"daprmall.dev/services/contracts"
)

var errNoSuchSecret = fmt.Errorf("secrets rotate takes %s or <service>-db", strings.Join(secrets.Keys, ", "))

// rotateSecret changes a secret of a running mall: first every service learns the next value, then it is used, and a
// database password is forgotten after that. Each step restarts the sidecars of the services that may read it, one
// after the other: they read the file once.
func rotateSecret(ctx context.Context, at layout.Layout, name string) error {
	st, err := readState(at)
	if err != nil {
		return err
	}
	unlock, err := lockSecrets(at)
	if err != nil {
		return err
	}
	defer unlock()
	store, err := secrets.Read(at.Home)
	if err != nil {
		return err
	}
	r := rotation{at: at, state: st, store: store, name: name, readers: contracts.Readers(name)}
	db, isDB := strings.CutSuffix(name, "-db")
	switch {
	case isDB && slices.Contains(contracts.Databases(), db):
		return r.database(ctx, db)
	case slices.Contains(secrets.Keys, name):
		return r.hmac(ctx, r.spread)
	}
	return errNoSuchSecret
}

// lockSecrets lets one command at a time change the secrets: each writes back all that it has read.
func lockSecrets(at layout.Layout) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(at.Run(), "secrets.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(errors.New("another command is changing a secret: wait until it has finished"), f.Close())
	}
	return func() { _ = f.Close() }, nil // which releases the lock
}

type rotation struct {
	at      layout.Layout
	state   state
	store   secrets.Store
	name    string
	readers []string
}

// hmac changes a secret with a key. One that was cut off is brought to its end first: some services may still use what
// the next value would make unknown.
func (r rotation) hmac(ctx context.Context, spread func(ctx context.Context, done string) error) error {
	if !r.store.IsSettled(r.name) {
		if err := spread(ctx, "all services use the value of the earlier rotation"); err != nil {
			return err
		}
	}
	r.store.Next(r.name)
	if err := spread(ctx, "all services accept the new value"); err != nil {
		return err
	}
	r.store.Swap(r.name)
	if err := spread(ctx, "all services use the new value; the old one is accepted until the next rotation"); err != nil {
		return err
	}
	r.store.Settled(r.name)
	return secrets.Save(r.at.Home, r.store)
}

func (r rotation) database(ctx context.Context, db string) error {
	password := r.store.NextDSN(db)
	if err := r.spread(ctx, "all services know the new password"); err != nil {
		return err
	}
	if err := postgres.Databases(ctx, r.state.Postgres, map[string]string{db: password}); err != nil {
		return err
	}
	fmt.Println("  the database has the new password")
	r.store.UseNextDSN(db)
	r.state.Databases[db] = r.store.DSN(db)
	raw, err := json.MarshalIndent(r.state, "", "  ")
	if err == nil {
		err = os.WriteFile(r.at.StateFile(), raw, 0o600)
	}
	if err != nil {
		return err
	}
	return r.spread(ctx, "the old password is removed")
}

// spread writes the secrets down and has every service that may read this one read it.
func (r rotation) spread(ctx context.Context, done string) error {
	if err := secrets.Save(r.at.Home, r.store); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	for name, app := range r.state.Apps {
		if !slices.Contains(r.readers, app.ID) {
			continue
		}
		sidecar := name + "-daprd"
		if _, err := ask(ctx, r.at, http.MethodPost, "/restart/"+sidecar); err != nil {
			return err
		}
		started := time.Now()
		if err := until(ctx, func() bool { return readSince(ctx, app.URL, r.name, started) }); err != nil {
			return fmt.Errorf("%s did not read %s: %w", name, r.name, err)
		}
		fmt.Printf("  %s has read %s\n", name, r.name)
	}
	fmt.Println("  " + done)
	return nil
}

// readSince reports whether a service has read a secret since a time, by its metrics.
func readSince(ctx context.Context, url, secret string, since time.Time) (read bool) {
	err := metrics.Read(ctx, url+"/metrics", func(series string, value float64) {
		if series == `mall_secret_read_timestamp_seconds{secret="`+secret+`"}` {
			read = value > float64(since.UnixMilli())/1000
		}
	})
	return read && err == nil
}

func until(ctx context.Context, done func() bool) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}
