package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"daprmall.dev/deploy/internal/layout"
	"daprmall.dev/deploy/internal/postgres"
	"daprmall.dev/deploy/internal/source"

	"golang.org/x/term"
)

// installByEnvironment reads MALL_INSTALL, the --install of scripts. A value that cannot be read is no permission.
func installByEnvironment() bool {
	allowed, err := strconv.ParseBool(os.Getenv("MALL_INSTALL"))
	return err == nil && allowed
}

// askable reports whether somebody sits there to answer. Continuous integration may have a terminal and nobody at it.
func askable() bool {
	return os.Getenv("CI") == "" && term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd()))
}

// needsPackages are the system packages without which no server can be had.
func needsPackages(ctx context.Context, at layout.Layout) (packages []string) {
	if os.Getenv("MALL_POSTGRES_URL") == "" {
		if user, err := source.Unprivileged(); err == nil {
			found, err := source.LookPostgres(ctx, at.Cache, postgres.DataMajor(postgresData(at, user)))
			if err == nil && found.Package != "" {
				packages = append(packages, found.Package)
			}
		}
	}
	if os.Getenv("MALL_REDIS_ADDR") == "" {
		if found, err := source.LookRedis(ctx, at.Cache); err == nil && found.Package != "" {
			packages = append(packages, found.Package)
		}
	}
	return packages
}

// mayInstall asks whether apt-get may install packages. There is nothing to ask where none is missing.
func mayInstall(in io.Reader, out io.Writer, packages []string) (bool, error) {
	if len(packages) == 0 {
		return false, nil
	}
	_, err := fmt.Fprintf(out, "The mall needs %s. May apt-get install it on this machine? [y/N] ",
		strings.Join(packages, " and "))
	if err != nil {
		return false, err
	}
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes", nil
}
