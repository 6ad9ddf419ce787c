//go:build allcomponents

package components

import (
	"context"
	"time"

	"github.com/dapr/components-contrib/nameresolution"
	"github.com/dapr/components-contrib/nameresolution/sqlite"
	"github.com/dapr/dapr/cmd/daprd/names"
	nrLoader "github.com/dapr/dapr/pkg/components/nameresolution"
	"github.com/dapr/kit/logger"
)

// This file stands in for Dapr's own of the same name when this repository builds its
// sidecar: the same resolver, under the same name, that remembers its answers.
func init() {
	nrLoader.DefaultRegistry.RegisterComponent(func(log logger.Logger) nameresolution.Resolver {
		return &remembering{Resolver: sqlite.NewResolver(log)}
	}, "sqlite")
}

type remembering struct {
	nameresolution.Resolver
	memory names.Memory
}

func (r *remembering) ResolveID(ctx context.Context, req nameresolution.ResolveRequest) (string, error) {
	return r.memory.Resolve(req.CacheKey(), time.Now(), func() (string, error) { return r.Resolver.ResolveID(ctx, req) })
}
