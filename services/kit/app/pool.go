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

// Pool applies the settings database.max_connections, database.connection_lifetime and database.idle_time to an open
// database, in each replica of each service.
func (r *App) Pool(db *gorm.DB) {
	conns, idle := config.Of(r.Live, keys.MaxConnections), config.Of(r.Live, keys.IdleTime)
	life := config.Of(r.Live, keys.ConnectionLifetime)
	r.Every("pool", poolEvery, func(context.Context) error {
		return postgres.Resize(db, postgres.Pool{Conns: int(conns()), Life: life(), Idle: idle()})
	})
}
