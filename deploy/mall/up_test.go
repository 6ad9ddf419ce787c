package main

import (
	"context"
	"os"
	"testing"
	"time"

	"daprmall.dev/deploy/internal/layout"
	"daprmall.dev/deploy/internal/proc"
)

// A mall ends when its home directory is deleted, and not before.
func TestAMallEndsWhenItsHomeIsDeleted(t *testing.T) {
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
			t.Error("the mall ended although its home exists")
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
		t.Error("the mall runs on without a home")
	}
}
