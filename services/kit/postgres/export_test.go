package postgres

import (
	"context"
	"sync"

	"gorm.io/gorm"
)

// Share runs statements as if they had waited at the same time. It says how many of them shared a transaction.
func Share(ctx context.Context, db *gorm.DB, each func(i int, changed int64, err error), texts ...string) (shared int) {
	w := db.Plugins[pluginName].(*writes)
	all := make([]*statement, len(texts))
	for i, text := range texts {
		all[i] = &statement{ctx: ctx, text: numbered(text)}
	}
	var wg sync.WaitGroup
	for i, r := range w.run(all) {
		if r.Err == nil {
			shared++
		}
		wg.Go(func() {
			out, err := w.orAlone(all[i], r.Value, r.Err)
			each(i, out.changed, err)
		})
	}
	wg.Wait()
	return shared
}
