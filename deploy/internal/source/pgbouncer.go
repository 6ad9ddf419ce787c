package source

import (
	"context"
	"errors"
	"os/exec"
)

// PgBouncer finds a pgbouncer that is installed, or installs Debian's where that is allowed. Only tests want one.
func PgBouncer(ctx context.Context, m Machine) (Found, error) {
	return m.byApt(pgBouncerPackage, installedPgBouncer)(ctx)
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
