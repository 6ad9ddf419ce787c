package daprd

import (
	"context"
	_ "embed"
	"runtime"
)

//go:embed _dapr/sentry.patch
var sentryPatch []byte

// Sentry builds Dapr's certificate authority, as Build does the sidecar. No installation of Dapr's own command brings
// one.
func Sentry(ctx context.Context, cache string, progress func(packages int)) (Binary, error) {
	return build(ctx, cache, program{"sentry", sentryPath(cache), [][]byte{sentryPatch}}, progress)
}

func sentryPath(cache string) string {
	return pathOf(cache, "sentry", []byte(Version), modFile, sumFile, sentryPatch, []byte(ldflags),
		[]byte(runtime.GOOS+"/"+runtime.GOARCH))
}
