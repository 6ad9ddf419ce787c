package idempotency

import (
	"context"
	"encoding/json"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/telemetry"
)

// settleFor is how long a run that is over may take to store its answer, or to give its key back.
const settleFor = 3 * time.Second

// Do implements keyed.Runner.
func (s *Store) Do(ctx context.Context, r keyed.Request, w keyed.Work) (keyed.Answer, error) {
	if r.Key == "" {
		return s.withoutKey(ctx, r, w)
	}
	ctx, done := detached(ctx)
	defer done()
	run, replay, err := s.begin(ctx, r, w)
	switch {
	case err != nil:
		return keyed.Answer{}, err
	case replay != nil:
		return *replay, nil
	}
	stored := false
	defer func() {
		if !stored { // also after a panic: the next run need not wait for the lease
			s.giveBack(ctx, run)
		}
	}()
	answer, err := w.Act(ctx, run)
	if err != nil {
		if !keyed.Definite(err) {
			return keyed.Answer{}, err
		}
		answer = keyed.Refuse(err)
	}
	if answer, err = s.finish(ctx, run, w, answer); err != nil {
		return keyed.Answer{}, err
	}
	stored = true
	answer.EffectID = run.EffectID
	return answer, answer.Refusal
}

// withoutKey runs a request once.
func (s *Store) withoutKey(ctx context.Context, r keyed.Request, w keyed.Work) (keyed.Answer, error) {
	effectID, err := s.ids.Next()
	if err != nil {
		return keyed.Answer{}, err
	}
	a, err := w.Act(ctx, keyed.Run{Request: r, EffectID: effectID, Fresh: true})
	a.EffectID = effectID
	return a, err
}

// begin claims the key, together with what the request begins by, or returns the answer of an earlier run.
func (s *Store) begin(ctx context.Context, r keyed.Request, w keyed.Work) (run keyed.Run, replay *keyed.Answer,
	err error) {
	effectID, err := s.ids.Next()
	if err != nil {
		return run, nil, err
	}
	first := keyed.Run{Request: r, EffectID: effectID, Fresh: true}
	if w.BeginNew != nil {
		if begun, err := w.BeginNew(ctx, first); begun || err != nil {
			return first, nil, err
		}
	}
	if w.Begin == nil {
		return s.claim(ctx, first)
	}
	var refused error
	err = postgres.InTx(ctx, s.db, func(ctx context.Context, _ *gorm.DB) (err error) {
		refused = nil
		if run, replay, err = s.claim(ctx, first); err != nil || replay != nil {
			return err
		}
		if refused = w.Begin(ctx, run); refused == nil || !keyed.Definite(refused) {
			return refused
		}
		return s.store(ctx, run, described(ctx, keyed.Refuse(refused)))
	})
	if err == nil {
		err = refused
	}
	if err != nil && !keyed.Definite(err) && w.BeginNew != nil { // which may have claimed the key
		s.giveBack(ctx, first)
	}
	return run, replay, err
}

// finish stores the answer, together with the outcome of the request. It does so even if the lease is over: it was
// done. A client that has disconnected gets the answer when it asks again.
func (s *Store) finish(ctx context.Context, run keyed.Run, w keyed.Work, a keyed.Answer) (keyed.Answer, error) {
	ctx, cancel := settling(ctx)
	defer cancel()
	a = described(ctx, a)
	if w.FinishNew != nil {
		switch end, err := w.FinishNew(ctx, run, a); {
		case err == nil && end != nil:
			return *end, nil
		case err != nil && w.Finish == nil:
			return a, err
		}
		// Finish does what failed, also if it was done and its connection broke.
	}
	if w.Finish == nil {
		return a, s.store(ctx, run, a)
	}
	end := a
	err := postgres.InTx(ctx, s.db, func(ctx context.Context, _ *gorm.DB) (err error) {
		if end, err = w.Finish(ctx, run, a); err != nil {
			return err
		}
		end = described(ctx, end)
		return s.store(ctx, run, end)
	})
	return end, err
}

// described writes a refusal out.
func described(ctx context.Context, a keyed.Answer) keyed.Answer {
	if a.Refusal != nil {
		doc, _ := problem.Describe(a.Refusal, telemetry.TraceOf(ctx).ID)
		doc = keyed.Advise(doc)
		a.Status = doc.Status
		a.Body, _ = json.Marshal(doc) // strings and integers only
	}
	return a
}

// giveBack releases the key of a run. If that fails, the lease ends by itself.
func (s *Store) giveBack(ctx context.Context, run keyed.Run) {
	ctx, cancel := settling(ctx)
	defer cancel()
	_ = s.release(ctx, run)
}

// detached returns the context of a run, which lasts as long as its lease. A client that disconnects does not stop a
// run halfway: the key would stay taken until the lease ends. The client asks again and finds what the run did.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), leaseFor-time.Second)
}

// settling returns the context of a run's end.
func settling(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), settleFor)
}
