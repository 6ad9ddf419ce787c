package source

import (
	"context"
	"errors"
	"os"
	"os/exec"
)

// Chromium finds a browser, or installs Debian's where that is allowed: the one that MALL_CHROMIUM names, Chromium or
// Chrome. Only tests want one.
func Chromium(ctx context.Context, m Machine) (Found, error) {
	return m.byApt(chromiumPackage, installedChromium)(ctx)
}

func installedChromium(ctx context.Context) (Found, error) {
	names := []string{"chromium", "chromium-browser", "google-chrome"}
	if chosen := os.Getenv("MALL_CHROMIUM"); chosen != "" {
		names = []string{chosen}
	}
	var missing error
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err != nil {
			missing = errors.Join(missing, err)
			continue
		}
		version, err := versionOf(ctx, path, "--version")
		if err != nil { // such as a script that only says how to install it
			missing = errors.Join(missing, err)
			continue
		}
		return Found{Path: path, Version: version, From: Installed}, nil
	}
	return Found{}, missing
}
