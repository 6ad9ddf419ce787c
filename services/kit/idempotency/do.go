package idempotency

import (
	"context"
	"encoding/json"
	"time"

	"daprmall.dev/services/kit/idempotency/keyed"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/telemetry"
)

// settleFor is how long a run that is over may take to store its answer, or to give its key back.
const settleFor = 3 * time.Second

// Do implements keyed.Runner.
func (s *Store) Do(ctx context.Context, r keyed.Request, w keyed.Work) (keyed.Answer, error) {
	ctx, done := Detached(ctx)
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
		if !stored { // also after a panic: the next run need not wait for the lease, which would end by itself
			end, cancel := settling(ctx)
			defer cancel()
			_ = s.Release(end, r.User, r.Key)
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
	return answer, answer.Refusal
}

// begin claims the key, together with what the request begins by, or returns the answer of an earlier run.
func (s *Store) begin(ctx context.Context, r keyed.Request, w keyed.Work) (run keyed.Run, replay *keyed.Answer,
	err error) {
	effectID, err := s.ids.Next()
	if err != nil {
		return run, nil, err
	}
	run = keyed.Run{Request: r, EffectID: effectID, Fresh: true}
	if w.BeginNew != nil {
		if begun, err := w.BeginNew(ctx, run); begun || err != nil {
			return run, nil, err
		}
	}
	if w.Begin == nil {
		return s.claim(ctx, r, effectID)
	}
	var refused error
	err = s.Tx(ctx, func(ctx context.Context) (err error) {
		refused = nil
		if run, replay, err = s.claim(ctx, r, effectID); err != nil || replay != nil {
			return err
		}
		if refused = w.Begin(ctx, run); refused == nil || !keyed.Definite(refused) {
			return refused
		}
		return s.Finish(ctx, r.User, r.Key, described(ctx, keyed.Refuse(refused)))
	})
	if err == nil {
		err = refused
	}
	return run, replay, err
}

// claim claims the key, for an effect with this id if the key is new.
func (s *Store) claim(ctx context.Context, r keyed.Request, effectID string) (keyed.Run, *keyed.Answer, error) {
	c, err := s.BeginAs(ctx, Run(r), effectID, nil)
	return keyed.Run{Request: r, EffectID: c.EffectID, Fresh: c.Fresh, Record: c.Record}, c.Answer, err
}

// finish stores the answer, together with the outcome of the request. It does so even if the lease is over: it was
// done. A client that has disconnected gets the answer when it asks again.
func (s *Store) finish(ctx context.Context, run keyed.Run, w keyed.Work, a keyed.Answer) (keyed.Answer, error) {
	ctx, cancel := settling(ctx)
	defer cancel()
	a = described(ctx, a)
	if w.FinishNew != nil {
		switch end, err := w.FinishNew(ctx, run, a); {
		case end != nil:
			return *end, nil
		case err != nil && w.Finish == nil:
			return a, err
		}
		// Finish does what failed, also if it was done and its connection broke.
	}
	if w.Finish == nil {
		return a, s.Finish(ctx, run.User, run.Key, a)
	}
	end := a
	err := s.Tx(ctx, func(ctx context.Context) (err error) {
		if end, err = w.Finish(ctx, run, a); err != nil {
			return err
		}
		end = described(ctx, end)
		return s.Finish(ctx, run.User, run.Key, end)
	})
	return end, err
}

// described writes a refusal out.
func described(ctx context.Context, a keyed.Answer) keyed.Answer {
	if a.Refusal != nil {
		doc, _ := problem.Describe(a.Refusal, telemetry.TraceOf(ctx).ID)
		a.Status = doc.Status
		a.Body, _ = json.Marshal(doc) // strings and integers only
	}
	return a
}

// Detached returns the context of a run, which lasts as long as its lease. A client that disconnects does not stop a
// run halfway: the key would stay taken until the lease ends. The client asks again and finds what the run did.
func Detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), leaseFor-time.Second)
}

// settling returns the context of a run's end.
func settling(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), settleFor)
}
