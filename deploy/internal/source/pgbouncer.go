package source

import (
	"context"
	"errors"
	"os/exec"
)

// PgBouncer finds a pgbouncer that is installed, or installs Debian's. Only tests want one.
func PgBouncer(ctx context.Context, cache string, note func(string, ...any)) (Found, error) {
	return byApt(cache, "pgbouncer", installedPgBouncer, note)(ctx)
}

func installedPgBouncer(ctx context.Context) (Found, error) {
	for _, name := range []string{"pgbouncer", "/usr/sbin/pgbouncer"} { // not on everybody's PATH
		if path, err := exec.LookPath(name); err == nil {
			version, err := versionOf(ctx, path, "--version")
			return Found{Path: path, Version: version, From: Installed}, err
		}
	}
	return Found{}, errors.New("no pgbouncer is installed")
}
