// Package lease makes Snowflake ids whose node number is leased from the service's database, so that two processes
// never share one, even when one was paused.
package lease

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/bwmarrin/snowflake"
	"gorm.io/gorm"

	"daprmall.dev/services/kit/ids"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/worker"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations creates the table of leases.
var Migrations = postgres.Migrations{Name: "ids", FS: files}

const (
	leaseFor = 60 * time.Second
	// margin covers how far this machine's clock may jump ahead after the lease was requested.
	margin = 5 * time.Second
)

// Source makes ids while its lease lasts.
type Source struct {
	db    *gorm.DB
	owner string
	log   *slog.Logger
	lease atomic.Pointer[lease]
}

type lease struct {
	node  *snowflake.Node
	num   int
	until time.Time
}

// NewSource leases a node; Run keeps the lease.
func NewSource(ctx context.Context, db *gorm.DB, log *slog.Logger) (*Source, error) {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails
	s := &Source{db: db, owner: hex.EncodeToString(b), log: log}
	if err := s.take(ctx); err != nil {
		return nil, fmt.Errorf("lease a node for ids: %w", err)
	}
	return s, nil
}

// Next makes an id. It refuses when the lease has expired, because the database was unreachable for longer than the
// lease or the process was paused.
func (s *Source) Next() (string, error) {
	l := s.lease.Load()
	id := l.node.Generate()
	// The clock reading that made the id must lie within the lease: one taken before or after could miss a pause.
	if made := ids.Made(id.String()); !made.Before(l.until) {
		ended := errors.New("lease of snowflake node ended")
		return "", problem.NewUnavailable(ended, time.Second, "Ids cannot be made right now.")
	}
	return id.String(), nil
}

// Run renews the lease until ctx ends, then gives the node back.
func (s *Source) Run(ctx context.Context) {
	worker.Loop{Name: "id lease", Log: s.log, Every: worker.Pause(leaseFor / 4), Work: s.take}.Run(ctx)
	if err := s.giveBack(ctx); err != nil {
		s.log.Warn("lease of snowflake node not given back, it expires", "error", err)
	}
}

// giveBack ends the lease. The next owner of the node waits for the margin all the same: its clock may lag behind ours.
func (s *Source) giveBack(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	return s.db.WithContext(ctx).Exec(`UPDATE node_leases SET expires_at = now()
		WHERE node = ? AND owner = ? AND expires_at > now()`, s.lease.Load().num, s.owner).Error
}

// take renews this owner's lease, or takes a node that is free or expired long enough ago for a clock that lags by the
// margin. It takes a random one: after a restore of the database its leases are old, and the lowest free node may be in
// use by a process that has not noticed yet.
func (s *Source) take(ctx context.Context) error {
	asked := time.Now()
	var num int
	res := s.db.WithContext(ctx).Raw(`UPDATE node_leases SET expires_at = now() + make_interval(secs => ?)
		WHERE owner = ? AND expires_at > now() RETURNING node`, int(leaseFor/time.Second), s.owner).Scan(&num)
	if res.Error != nil {
		return res.Error
	}
	until := asked.Add(leaseFor - margin)
	if l := s.lease.Load(); res.RowsAffected == 1 && l != nil && l.num == num {
		s.lease.Store(&lease{node: l.node, num: num, until: until})
		return nil
	}
	for try := 1; ; try++ { // replicas that start together choose the same free node; one of them gets it each time
		num, found, err := s.free(ctx)
		if err != nil {
			return err
		}
		if found {
			return s.use(num, until)
		}
		if try == 50 {
			return errors.New("no free node")
		}
	}
}

// free leases a free node; found is false if another process was faster, or there is none.
func (s *Source) free(ctx context.Context) (num int, found bool, err error) {
	seconds := int(leaseFor / time.Second)
	res := s.db.WithContext(ctx).Raw(`INSERT INTO node_leases (node, owner, expires_at)
		SELECT n, ?, now() + make_interval(secs => ?) FROM generate_series(0, 1023) n
		WHERE NOT EXISTS (SELECT 1 FROM node_leases l WHERE l.node = n AND l.expires_at > now() - make_interval(secs => ?))
		ORDER BY random() LIMIT 1
		ON CONFLICT (node) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at
		WHERE node_leases.expires_at < now() - make_interval(secs => ?)
		RETURNING node`, s.owner, seconds, int(margin/time.Second), int(margin/time.Second)).Scan(&num)
	return num, res.RowsAffected == 1, res.Error
}

func (s *Source) use(num int, until time.Time) error {
	node, err := snowflake.NewNode(int64(num))
	if err != nil {
		return err
	}
	s.lease.Store(&lease{node: node, num: num, until: until})
	return nil
}
