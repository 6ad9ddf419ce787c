package main

import (
	"context"

	"daprmall.dev/deploy/internal/place"
)

func config(context.Context, place.Place, []string) error { return nil }
func doctor(context.Context, place.Place, []string) error { return nil }
func test(context.Context, place.Place, []string) error   { return nil }
