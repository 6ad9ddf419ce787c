package limit

import (
	"container/list"
	"sync"
)

// Bounds of unread answers and bytes, per client and in all. An answer counts while its write blocks: most fit into the
// socket's buffer and count for an instant.
const (
	maxClientAnswers = 64
	maxClientBytes   = 8 << 20
	maxAnswers       = 4096
	maxBytes         = 128 << 20
)

// Answers bounds what clients have not read yet. Beyond the bound the oldest answers are cut off, and new ones are not
// refused: a client that reads its answers has read the oldest ones long ago, so this hits clients that do not read.
type Answers struct {
	mu  sync.Mutex
	all unread
	of  map[string]*unread
}

// unread is a queue of answers, oldest first.
type unread struct {
	list.List
	bytes int
}

func (u *unread) over(answers, bytes int) bool {
	return u.Len() > 1 && (u.Len() > answers || u.bytes > bytes)
}

type unreadAnswer struct {
	client      string
	bytes       int
	inAll, inOf *list.Element

	mu   sync.Mutex
	left bool
	cut  func()
}

// NewAnswers makes an empty bound.
func NewAnswers() *Answers { return &Answers{of: map[string]*unread{}} }

// Enter counts an answer of that many bytes until leave is called. cut is called at most once, before leave returns,
// and must make the write of the answer fail.
func (a *Answers) Enter(client string, bytes int, cut func()) (leave func()) {
	e := &unreadAnswer{client: client, bytes: bytes, cut: cut}
	a.mu.Lock()
	of := a.of[client]
	if of == nil {
		of = &unread{}
		a.of[client] = of
	}
	e.inAll, e.inOf = a.all.PushBack(e), of.PushBack(e)
	a.all.bytes += bytes
	of.bytes += bytes
	var victims []*unreadAnswer
	for of.over(maxClientAnswers, maxClientBytes) {
		victims = append(victims, a.remove(of.Front()))
	}
	for a.all.over(maxAnswers, maxBytes) {
		victims = append(victims, a.remove(a.all.Front()))
	}
	a.mu.Unlock()
	for _, v := range victims {
		v.end(true)
	}
	return func() {
		e.end(false)
		a.mu.Lock()
		defer a.mu.Unlock()
		if e.inAll != nil {
			a.remove(e.inAll)
		}
	}
}

func (a *Answers) remove(at *list.Element) *unreadAnswer {
	e := at.Value.(*unreadAnswer)
	of := a.of[e.client]
	a.all.Remove(e.inAll)
	of.Remove(e.inOf)
	a.all.bytes -= e.bytes
	of.bytes -= e.bytes
	if of.Len() == 0 {
		delete(a.of, e.client)
	}
	e.inAll, e.inOf = nil, nil
	return e
}

func (e *unreadAnswer) end(cut bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if cut && !e.left {
		e.cut()
	}
	e.left = true
}

// Bytes returns how much is unread now.
func (a *Answers) Bytes() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.all.bytes
}
