package tokenizer

import (
	"strconv"
	"strings"
)

// Weight is how much a text counts for the rank of a document: A more than B, B more than C.
type Weight byte

// The weights of PostgreSQL.
const (
	A Weight = 'A'
	B Weight = 'B'
	C Weight = 'C'
)

// lastPosition is the largest position that PostgreSQL keeps.
const lastPosition = 16383

// Document collects the terms of one document. Its zero value is empty.
type Document struct {
	terms    strings.Builder
	position int
	english  map[Weight]string
}

// Add adds a text.
func (d *Document) Add(weight Weight, s string) {
	t := split(s)
	var english []string
	for _, w := range t.words {
		for _, part := range w { // at positions in a row: a query finds them as a phrase
			d.term(weight, part)
		}
		english = append(english, w...)
	}
	for _, w := range t.words {
		for _, together := range w.joinings() {
			d.term(weight, together)
			english = append(english, together)
		}
	}
	for _, run := range t.runs {
		for i := range run {
			d.term(weight, string(run[i]))
			if i+1 < len(run) {
				d.term(weight, string(run[i:i+2]))
			}
		}
	}
	if d.english == nil {
		d.english = map[Weight]string{}
	}
	d.english[weight] += strings.Join(english, " ") + " "
}

func (d *Document) term(weight Weight, s string) {
	d.position = min(d.position+1, lastPosition)
	d.terms.WriteString(quote(s) + ":" + strconv.Itoa(d.position) + string(weight) + " ")
}

// Vector returns the terms as a tsvector literal. Terms contain no space, quote or backslash.
func (d *Document) Vector() string { return d.terms.String() }

// English returns the words of the texts with a weight: what English stemming applies to.
func (d *Document) English(w Weight) string { return d.english[w] }

// quote makes a lexeme of a term, which consists of letters, digits and marks.
func quote(term string) string { return "'" + term + "'" }
