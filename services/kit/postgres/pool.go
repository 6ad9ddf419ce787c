package postgres

import (
	"database/sql"
	"fmt"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/config/keys"
)

// Pool is how many connections a process keeps, and for how long.
type Pool struct {
	Conns int           // at most, used and idle
	Life  time.Duration // age at which one is closed, so that a new server or proxy gets its share
	Idle  time.Duration // idle time after which one is closed
}

// DefaultPool fits a server with PostgreSQL's default of 100 connections: one replica of each service, and some left
// for operators. In measurements 8 were as fast as 16.
var DefaultPool = Pool{Conns: int(keys.MaxConnections.Standard()), Life: keys.ConnectionLifetime.Standard(),
	Idle: keys.IdleTime.Standard()}

// Resize changes the pool of an open database. Connections beyond its size end when they are given back.
func Resize(db *gorm.DB, p Pool) error {
	pool, err := db.DB()
	if err != nil {
		return fmt.Errorf("resize pool: %w", err)
	}
	p.set(pool)
	return nil
}

func (p Pool) set(pool *sql.DB) {
	pool.SetMaxOpenConns(p.Conns)
	pool.SetMaxIdleConns(p.Conns)
	pool.SetConnMaxLifetime(p.Life)
	pool.SetConnMaxIdleTime(p.Idle)
}
