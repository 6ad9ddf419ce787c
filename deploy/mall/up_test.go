package main

import (
	"context"
	"os"
	"testing"
	"time"

	"daprmall.dev/deploy/internal/layout"
	"daprmall.dev/deploy/internal/proc"
)

// A mall whose home was deleted under it ends, and not before.
func TestAMallEndsWithItsHome(t *testing.T) {
	at := layout.Layout{Home: t.TempDir()}
	if err := os.MkdirAll(at.Run(), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := proc.Self(supervisorName).Write(at.Run()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	deleted, gone := make(chan struct{}), make(chan struct{})
	go watchHome(ctx, at, time.Millisecond, func() {
		select {
		case <-deleted:
		default:
			t.Error("it ended while its home was there")
		}
		close(gone)
	})
	time.AfterFunc(50*time.Millisecond, func() {
		close(deleted)
		if err := os.RemoveAll(at.Home); err != nil {
			t.Error(err)
		}
	})
	select {
	case <-gone:
	case <-ctx.Done():
		t.Error("it goes on without a home")
	}
}
