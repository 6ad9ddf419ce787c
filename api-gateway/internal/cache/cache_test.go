package cache

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// clock is a time that the test moves.
type clock struct{ ms atomic.Int64 }

func (c *clock) now() time.Time          { return time.UnixMilli(c.ms.Load()) }
func (c *clock) advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }
func open(most int) (*Cache[string], *clock) {
	c := &clock{}
	return New(most, func(a string) int { return len(a) }, c.now), c
}

var page = Key{Pages, "/v1/products/1"}

// get asks for an answer; the number of questions is part of the answer.
func get(t *testing.T, c *Cache[string], k Key, asked *int, err error) (string, Result) {
	t.Helper()
	a, result, got := c.Get(t.Context(), k, time.Second, func() (string, bool, error) {
		*asked++
		return fmt.Sprint("answer ", *asked), true, err
	})
	if got != nil && !errors.Is(got, err) {
		t.Fatal(got)
	}
	return a, result
}

func TestAnAnswerIsKeptForAMoment(t *testing.T) {
	c, clock := open(1000)
	var asked int
	for _, step := range []struct {
		after time.Duration
		want  string
	}{{0, "answer 1 fetched"}, {749 * time.Millisecond, "answer 1 kept"}, {251 * time.Millisecond, "answer 2 fetched"},
		{749 * time.Millisecond, "answer 2 kept"}} {
		clock.advance(step.after)
		if a, result := get(t, c, page, &asked, nil); fmt.Sprint(a, " ", result) != step.want {
			t.Errorf("%s %s, want %s", a, result, step.want)
		}
	}
}

// Before an answer gets too old it is fetched again, once, while those who ask still get it. If that fails, the next
// one who asks tries again.
func TestAnAnswerThatIsAskedForIsFetchedAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, clock := open(1000)
		var asked int
		down := errors.New("down")
		for i, step := range []struct {
			after time.Duration
			err   error
			want  string // and the number of questions so far
		}{
			{0, nil, "answer 1 fetched 1"}, {750 * time.Millisecond, nil, "answer 1 kept 2"}, {0, nil, "answer 2 kept 2"},
			{750 * time.Millisecond, down, "answer 2 kept 3"}, {0, nil, "answer 2 kept 4"}, {0, nil, "answer 4 kept 4"},
		} {
			clock.advance(step.after)
			a, result := get(t, c, page, &asked, step.err)
			synctest.Wait()
			if got := fmt.Sprint(a, " ", result, " ", asked); got != step.want {
				t.Errorf("step %d: %s, want %s", i, got, step.want)
			}
		}
	})
}

// While the service cannot be asked an answer is given for MaxAge, and no longer.
func TestAnOldAnswerIsGivenInsteadOfAFailure(t *testing.T) {
	c, clock := open(1000)
	var asked int
	get(t, c, page, &asked, nil)
	clock.advance(MaxAge - time.Millisecond)
	if a, result := get(t, c, page, &asked, errors.New("down")); a != "answer 1" || result != Stale {
		t.Errorf("%s %s", a, result)
	}
	clock.advance(time.Millisecond)
	if _, _, err := c.Get(t.Context(), page, time.Second, func() (string, bool, error) {
		return "", false, errors.New("down")
	}); err == nil {
		t.Error("an answer is given after MaxAge")
	}
}

func TestWhatIsWrittenIsSeenAtOnce(t *testing.T) {
	for what, drop := range map[string]func(*Cache[string]){
		"page":  func(c *Cache[string]) { c.DropPages(page.Name) },
		"clear": func(c *Cache[string]) { c.Clear() },
	} {
		c, _ := open(1000)
		var asked int
		get(t, c, page, &asked, nil)
		drop(c)
		if a, _ := get(t, c, page, &asked, nil); a != "answer 2" {
			t.Errorf("%s: %s", what, a)
		}
	}
	c, _ := open(1000)
	list := Key{Lists, "/v1/products"}
	var pages, lists int
	get(t, c, page, &pages, nil)
	get(t, c, list, &lists, nil)
	c.DropLists()
	get(t, c, page, &pages, nil)
	if a, _ := get(t, c, list, &lists, nil); pages != 1 || a != "answer 2" {
		t.Errorf("after a drop of lists: %s, %d questions for the page", a, pages)
	}
}

// A question that was under way during a write is neither kept nor shared with those who ask after the write.
func TestAQuestionFromBeforeAWriteIsNotShared(t *testing.T) {
	c, _ := open(1000)
	began, goOn := make(chan struct{}), make(chan struct{})
	var before sync.WaitGroup
	before.Go(func() {
		a, _, err := c.Get(t.Context(), page, time.Second, func() (string, bool, error) {
			close(began)
			<-goOn
			return "old", true, nil
		})
		if a != "old" || err != nil {
			t.Errorf("who asked before the write got %s, %v", a, err)
		}
	})
	<-began
	c.DropPages(page.Name)
	var asked int
	if a, _ := get(t, c, page, &asked, nil); a != "answer 1" {
		t.Errorf("after the write: %s", a)
	}
	close(goOn)
	before.Wait()
	if a, result := get(t, c, page, &asked, nil); a != "answer 1" || result != Kept {
		t.Errorf("later: %s %s", a, result)
	}
}

// Many who ask for the same at the same moment share one question, and one who leaves does not end it.
func TestACrowdAsksOnce(t *testing.T) {
	c, _ := open(1000)
	var asked atomic.Int64
	began, goOn := make(chan struct{}), make(chan struct{})
	fetch := func() (string, bool, error) {
		if asked.Add(1) == 1 {
			close(began)
		}
		<-goOn
		return "answer", true, nil
	}
	leaving, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, _, err := c.Get(leaving, page, time.Second, fetch)
		left <- err
	}()
	<-began
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("who left got %v", err)
	}
	var crowd sync.WaitGroup
	for range 50 {
		crowd.Go(func() {
			if a, _, err := c.Get(t.Context(), page, time.Second, fetch); a != "answer" || err != nil {
				t.Errorf("%s, %v", a, err)
			}
		})
	}
	close(goOn)
	crowd.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("%d questions", n)
	}
}

// What is kept is bounded by bytes; the answer that was not asked for longest goes first.
func TestTheCacheIsBounded(t *testing.T) {
	c, _ := open(80) // eight answers of "answer 1" and two more
	var asked int
	for i := range 20 {
		n := 0
		get(t, c, Key{Pages, fmt.Sprint(i)}, &n, nil)
	}
	if c.Bytes() != 80 {
		t.Errorf("%d bytes", c.Bytes())
	}
	if _, result := get(t, c, Key{Pages, "19"}, &asked, nil); result != Kept {
		t.Error("the newest is gone")
	}
	if _, result := get(t, c, Key{Pages, "0"}, &asked, nil); result != Fetched {
		t.Error("the oldest is kept")
	}
	c.Clear()
	if c.Bytes() != 0 {
		t.Errorf("%d bytes of nothing", c.Bytes())
	}
	for range 3 { // an answer that would drive out too many others is not kept
		_, _, _ = c.Get(t.Context(), page, time.Second, func() (string, bool, error) {
			return "a long answer", true, nil
		})
	}
	if c.Bytes() != 0 {
		t.Errorf("%d bytes of a large answer", c.Bytes())
	}
}
