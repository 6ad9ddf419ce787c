package source

import (
	"context"
	"os/exec"
)

// NPM finds npm, or installs Debian's where that is allowed. Only tests want one.
func NPM(ctx context.Context, m Machine) (Found, error) {
	return m.byApt(npmPackage, installedNPM)(ctx)
}

func installedNPM(ctx context.Context) (Found, error) {
	path, err := exec.LookPath("npm")
	if err != nil {
		return Found{}, err
	}
	version, err := versionOf(ctx, path, "--version")
	return Found{Path: path, Version: version, From: Installed}, err
}
