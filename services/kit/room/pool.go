package room

import (
	"context"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/postgres"
)

// poolEvery is how often the pools are made as large as the settings say.
const poolEvery = 5 * time.Second

// Pool makes the pool of an open database follow the settings database.max_connections, database.connection_lifetime
// and database.idle_time, which hold for each replica of each service.
func (r *Room) Pool(db *gorm.DB) {
	d := postgres.DefaultPool
	conns := r.Live.Int("database.max_connections", int64(d.Conns), 2, 500)
	life := r.Live.Duration("database.connection_lifetime", d.Life, time.Minute, 24*time.Hour)
	idle := r.Live.Duration("database.idle_time", d.Idle, time.Second, time.Hour)
	r.Go("pool", Every(r.Log, poolEvery, func(context.Context) error {
		return postgres.Resize(db, postgres.Pool{Conns: int(conns()), Life: life(), Idle: idle()})
	}))
}
