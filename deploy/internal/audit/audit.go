// Package audit reads the databases of all services and the gate in Redis, as an operator may and no service can, and
// says whether what they hold agrees: stock, orders, events, nothing stuck, money, and what clients were told.
//
// Services agree a moment later, by events. What disagrees and is younger than a minute is in flight; what stays so is
// a violation. Facts inside one database are read in one snapshot and have no such excuse.
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

// The levels. Parked events are kept apart: their reason is known and somebody must look at it, and what their
// missing effect puts out of balance is found in the book where it belongs.
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
	// awaited means that waiting may help.
	awaited bool
}

// Book is one of C1–C6 with its verdict.
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

// settle is how long services may disagree: the feed brings what the broker lost within 40 s.
const settle = 60

// relayed is how long an event may wait for its number and its publication: a publisher that was killed leaves its
// claim behind for 15 s, and what a broker refuses waits up to 30 s for the next try.
const relayed = 40

// level judges a disagreement of services by the age, in seconds, of the younger side.
func level(age float64) Level {
	if age < settle {
		return InFlight
	}
	return Violation
}

func (b *Book) add(l Level, rule, subject, format string, args ...any) {
	b.Findings = append(b.Findings, Finding{Level: l, Rule: rule, Subject: subject, Detail: fmt.Sprintf(format, args...),
		awaited: l == InFlight})
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
	f, err := read(ctx, m)
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

// Settled audits until nothing is in flight or the time is over; whatever is still in flight then is a violation.
func Settled(ctx context.Context, m running.Mall, wait time.Duration) (*Report, error) {
	for deadline := time.Now().Add(wait); ; {
		r, err := Audit(ctx, m)
		if err != nil {
			return nil, err
		}
		if !r.awaits() || time.Now().After(deadline) {
			r.close()
			return r, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

func (r *Report) awaits() bool {
	for _, b := range r.Books {
		if slices.ContainsFunc(b.Findings, func(f Finding) bool { return f.awaited }) {
			return true
		}
	}
	return false
}

// close ends the waiting: what was in flight has had its time.
func (r *Report) close() {
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
