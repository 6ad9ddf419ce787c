package limit

import (
	"fmt"
	"testing"
)

// The oldest unread answers of the same client are cut first; answers of other clients only when the total limit is
// exceeded.
func TestTheOldestUnreadAnswersAreCut(t *testing.T) {
	a := NewAnswers()
	cut := map[string]bool{}
	enter := func(client, name string, bytes int) func() {
		return a.Enter(client, bytes, func() { cut[name] = true })
	}
	honest := enter("honest", "honest", 1000)
	for i := range maxClientAnswers + 2 {
		enter("greedy", fmt.Sprint("greedy ", i), 1)
	}
	if len(cut) != 2 || !cut["greedy 0"] || !cut["greedy 1"] {
		t.Errorf("two answers above the limit: %v were cut, want the two oldest", cut)
	}
	enter("large", "large", 2*maxClientBytes)
	if cut["large"] {
		t.Error("a client's only answer was cut")
	}
	enter("large", "next", 1)
	if !cut["large"] || cut["next"] {
		t.Errorf("after a large and a new answer: %v were cut", cut)
	}
	honest()
	for i := range maxBytes/maxClientBytes + 1 {
		enter(fmt.Sprint("client ", i), fmt.Sprint("whole share ", i), maxClientBytes)
	}
	if cut["honest"] {
		t.Error("an answer was cut after it was read")
	}
	if !cut["next"] || cut[fmt.Sprint("whole share ", maxBytes/maxClientBytes)] || a.Bytes() > maxBytes {
		t.Errorf("in total: %d bytes are unread, cut %v", a.Bytes(), cut)
	}
}

func TestAnswersThatWereReadDoNotCount(t *testing.T) {
	a := NewAnswers()
	for range 10 * maxClientAnswers {
		leave := a.Enter("quick", maxClientBytes, func() { t.Error("an answer was cut although it was read") })
		leave()
	}
	if a.Bytes() != 0 || len(a.of) != 0 {
		t.Errorf("%d bytes of %d clients still count", a.Bytes(), len(a.of))
	}
}
