package main

import (
	"context"

	"daprmall.dev/deploy/internal/source"
	"daprmall.dev/deploy/internal/steps"
)

// clients is where generators are tried on openapi.yaml.
const clients npmPackage = "clients"

// goClient generates a client in Go and compiles it with its example.
func (t *tests) goClient(ctx context.Context, _ *steps.Step) error {
	return clients.inCopy(t, t.at.Cache, func(dir string) error {
		generate := []string{"tool", "ogen", "--config", "ogen.yml", "--target", "generated", "--package", "mall", "--clean",
			"../openapi.yaml"}
		if err := generator(ctx, dir, "go", generate...); err != nil {
			return err
		}
		return generator(ctx, dir, "go", "vet", "./...")
	})
}

// typeScriptClient generates a client in TypeScript, compiles it with its example, and lets two linters read the
// contract.
func (t *tests) typeScriptClient(ctx context.Context, s *steps.Step) error {
	return t.npm(ctx, s, clients, func(dir, npm string) error {
		for _, script := range []string{"generate", "check", "lint"} {
			if err := generator(ctx, dir, npm, "run", "--silent", script); err != nil {
				return err
			}
		}
		return nil
	})
}

// npm works in a copy of a package that has its modules, or says why there is no npm.
func (t *tests) npm(ctx context.Context, s *steps.Step, p npmPackage, work func(dir, npm string) error) error {
	npm, err := source.NPM(ctx, t.machine(t.at, s))
	if err != nil {
		s.LeaveOut("%v", err)
		return nil
	}
	modules, err := p.modules(ctx, t, npm.Path, s)
	if err != nil {
		return err
	}
	return p.inCopy(t, modules, func(dir string) error { return work(dir, npm.Path) })
}
