package contractstest

import (
	"encoding/json"
	"slices"
	"testing"

	"daprmall.dev/services/kit/server"
)

// Refusal is a call that a service must refuse with a code that its contract lists. It is made after the examples.
type Refusal struct {
	Name   string            // of the route
	Code   string            // what the service must answer
	Before func()            // brings about the reason for the refusal; nil: nothing to do
	In     any               // the body; nil: the route's example
	Query  map[string]string // parameters instead of the examples
	As     string            // the user's id; "": UserID
}

// Example returns a copy of a route's example body.
func Example[T any](name string) T {
	for _, r := range Routes() {
		if in, ok := r.In.(T); ok && r.Name == name {
			return in
		}
	}
	panic("no route " + name + " with such a body")
}

// FeedRefusals are the refusals of a service's feed. exec changes the service's database so that events are gone.
func FeedRefusals(t *testing.T, exec func(sql string) error) []Refusal {
	t.Helper()
	return []Refusal{
		{Name: "readFeed", Code: "feed_forked", Query: map[string]string{"after": "9000000"}},
		{Name: "readFeed", Code: "feed_gone", Query: map[string]string{"after": "1"}, Before: func() {
			t.Helper()
			if err := exec("UPDATE outbox_head SET pos = 1000, purged_through = 1000, purged_id = 'gone'"); err != nil {
				t.Fatal(err)
			}
		}},
	}
}

// checkRefusals provokes every refusal that the routes list, and checks that none is missing from the list.
func checkRefusals(t *testing.T, s *server.Server, routes []Route, refusals []Refusal) {
	t.Helper()
	var listed, provoked []string
	for _, r := range routes {
		for _, code := range r.Refusals {
			listed = append(listed, r.Name+": "+code)
		}
	}
	for _, refusal := range refusals {
		provoked = append(provoked, refusal.Name+": "+refusal.Code)
		i := slices.IndexFunc(routes, func(r Route) bool { return r.Name == refusal.Name })
		if i < 0 {
			t.Errorf("no route is called %s", refusal.Name)
			continue
		}
		provoke(t, s, routes[i], refusal)
	}
	slices.Sort(listed)
	slices.Sort(provoked)
	if listed, provoked := slices.Compact(listed), slices.Compact(provoked); !slices.Equal(listed, provoked) {
		t.Errorf("the contract lists the refusals %q, provoked are %q", listed, provoked)
	}
}

func provoke(t *testing.T, s *server.Server, r Route, refusal Refusal) {
	t.Helper()
	if refusal.Before != nil {
		refusal.Before()
	}
	in := r.In
	if refusal.In != nil {
		in = refusal.In
	}
	body := ""
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		body = string(text)
	}
	r.Query = slices.Clone(r.Query)
	for i := range r.Query {
		r.Query[i].Example = refusal.Query[r.Query[i].Name]
	}
	caller := "anyone"
	if r.Callers != nil {
		caller = r.Callers[0]
	}
	status, answer := ask(s, r, caller, token(refusal.As), body)
	if status < 400 || code(answer) != refusal.Code {
		t.Errorf("%s: %d %s, want %s", r.Name, status, answer, refusal.Code)
	}
}
