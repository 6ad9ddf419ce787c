// Package inboxtest delivers events to services under test.
package inboxtest

import (
	"sync"
	"testing"

	"daprmall.dev/services/kit/inbox"
)

// Together delivers a batch to each replica at the same time, round after round. What is neither handled nor parked
// fails the test.
func Together(t *testing.T, replicas []*inbox.Inbox, rounds int, batch func(round, replica int) [][]byte) {
	t.Helper()
	for round := range rounds {
		var wg sync.WaitGroup
		for i, in := range replicas {
			events := batch(round, i)
			wg.Go(func() {
				for _, err := range in.Receive(t.Context(), events...) {
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
	}
}
