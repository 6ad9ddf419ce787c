// Package audit reads the databases of all services and the gate in Redis, as an operator may and no service can, and
// reports whether they agree. Its rules are grouped in books:
//
//	C1 stock    the stock, its ledger, the reservations and the gate
//	C2 orders   each order, its payments, its bill and its reservations
//	C3 events   each change and its event, each outbox and the inboxes of its consumers
//	C4 stuck    orders, payments, refunds and holds that should have ended
//	C5 money    each payment and the charge in the sandbox provider's own database
//	C6 clients  stored answers and what they say exists; what clients were told beyond that only they know
//
// Services agree with each other only after events have been delivered. Data of two services that disagree are "in
// flight" for a minute, then a violation. The data of one database are read in one snapshot: there a disagreement is a
// violation at once.
package audit

import (
	"context"
	"fmt"
	"slices"
	"time"

	"daprmall.dev/deploy/internal/running"
)

// Level is the severity of a finding.
type Level string

// The levels. A parked event has a level of its own: its reason is stored, and an operator must act on it. The data
// that disagree because of its missing effect are found by the other rules.
const (
	Violation Level = "violation"
	InFlight  Level = "in flight"
	Parked    Level = "parked"
)

// Finding is one thing that does not (yet) agree.
type Finding struct {
	Level   Level  `json:"level"`
	Rule    string `json:"rule"`
	Subject string `json:"subject"` // "order 123"
	Detail  string `json:"detail"`
	// mayResolve means that the finding may disappear by itself.
	mayResolve bool
}

// Book is one group of rules, C1 to C6, with its verdict.
type Book struct {
	ID       string    `json:"id"`
	Title    string    `json:"title"`
	Verdict  string    `json:"verdict"` // balanced, in flight, violated
	Looked   []string  `json:"looked"`  // what was compared, with numbers
	Findings []Finding `json:"findings"`
}

// Report is the state of all books.
type Report struct {
	Books    []*Book       `json:"books"`
	Took     time.Duration `json:"took_ns"`
	Balanced bool          `json:"balanced"`
}

// mayDisagree is how long services may disagree, in seconds: within 40 s consumers read from the feed what the broker
// has lost.
const mayDisagree = 60

// publishedWithin is how long an event may wait for its position and its publication, in seconds: an event that the
// broker refused waits up to 30 s for the next try.
const publishedWithin = 40

// level judges a disagreement of services by the age, in seconds, of the younger side.
func level(age float64) Level {
	if age < mayDisagree {
		return InFlight
	}
	return Violation
}

func (b *Book) add(l Level, rule, subject, format string, args ...any) {
	b.Findings = append(b.Findings, Finding{Level: l, Rule: rule, Subject: subject, Detail: fmt.Sprintf(format, args...),
		mayResolve: l == InFlight})
}

func (b *Book) look(format string, args ...any) {
	b.Looked = append(b.Looked, fmt.Sprintf(format, args...))
}

func (b *Book) has(l Level) bool {
	return slices.ContainsFunc(b.Findings, func(f Finding) bool { return f.Level == l })
}

// Audit compares everything once.
func Audit(ctx context.Context, m running.Mall) (*Report, error) {
	began := time.Now()
	f, err := readAll(ctx, m)
	if err != nil {
		return nil, err
	}
	defer f.close()
	stock := &Book{ID: "C1", Title: "stock"}
	orders := &Book{ID: "C2", Title: "orders"}
	events := &Book{ID: "C3", Title: "events"}
	stuck := &Book{ID: "C4", Title: "nothing is stuck"}
	money := &Book{ID: "C5", Title: "money"}
	clients := &Book{ID: "C6", Title: "clients"}
	f.stockBook(stock)
	f.gateBook(stock, stuck)
	f.orderBook(orders)
	if err := f.eventBook(ctx, events); err != nil {
		return nil, err
	}
	f.stuckBook(stuck)
	f.moneyBook(money)
	f.clientBook(clients)
	r := &Report{Books: []*Book{stock, orders, events, stuck, money, clients}, Took: time.Since(began)}
	r.judge()
	return r, nil
}

// Settled audits until nothing is in flight or the time is over. What is still in flight then is a violation.
func Settled(ctx context.Context, m running.Mall, wait time.Duration) (*Report, error) {
	for deadline := time.Now().Add(wait); ; {
		r, err := Audit(ctx, m)
		if err != nil {
			return nil, err
		}
		if !r.mayResolve() || time.Now().After(deadline) {
			r.endWaiting()
			return r, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

func (r *Report) mayResolve() bool {
	for _, b := range r.Books {
		if slices.ContainsFunc(b.Findings, func(f Finding) bool { return f.mayResolve }) {
			return true
		}
	}
	return false
}

// endWaiting makes findings that are still in flight violations.
func (r *Report) endWaiting() {
	for _, b := range r.Books {
		for i := range b.Findings {
			if b.Findings[i].Level == InFlight {
				b.Findings[i].Level = Violation
			}
		}
	}
	r.judge()
}

func (r *Report) judge() {
	r.Balanced = true
	for _, b := range r.Books {
		if b.Findings == nil {
			b.Findings = []Finding{}
		}
		switch {
		case b.has(Violation):
			b.Verdict, r.Balanced = "violated", false
		case b.has(InFlight):
			b.Verdict = "in flight"
		default:
			b.Verdict = "balanced"
		}
	}
}
