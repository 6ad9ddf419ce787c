package app

import (
	"context"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/config/keys"
	"daprmall.dev/services/kit/postgres"
)

// poolEvery is how often the settings are applied to the pools.
const poolEvery = 5 * time.Second

// KeepPoolSize adds a worker that applies the settings database.max_connections, database.connection_lifetime and
// database.idle_time to the pool of an open database. They are per replica.
func (a *App) KeepPoolSize(db *gorm.DB) {
	conns, idle := config.Of(a.Settings, keys.MaxConnections), config.Of(a.Settings, keys.IdleTime)
	life := config.Of(a.Settings, keys.ConnectionLifetime)
	a.Every("pool", poolEvery, func(context.Context) error {
		return postgres.Resize(db, postgres.Pool{Conns: int(conns()), Life: life(), Idle: idle()})
	})
}
