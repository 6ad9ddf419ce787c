package tokenizer

import "strings"

// Term is one thing that a document must contain.
type Term struct {
	// Query is a tsquery literal: a word as a prefix (people search while they type), its parts as a phrase, or a pair of
	// characters.
	Query string
	// Stem is a word whose English stem will do as well; "" for none.
	Stem string
}

// Query returns what a document must contain, all of it. Words that say nothing ("the") are left out if there are
// others.
func Query(s string) []Term {
	t := split(s)
	var terms []Term
	for _, w := range t.words {
		if len(w) > 1 || !stopWords[w[0]] {
			terms = append(terms, w.term())
		}
	}
	for _, run := range t.runs {
		if len(run) == 1 {
			terms = append(terms, Term{Query: quote(string(run))})
		}
		for i := 0; i+1 < len(run); i++ {
			terms = append(terms, Term{Query: quote(string(run[i : i+2]))})
		}
	}
	if len(terms) == 0 {
		for _, w := range t.words {
			terms = append(terms, w.term())
		}
	}
	return terms
}

func (w word) term() Term {
	whole := w.together()
	var forms []string
	if whole != "" {
		forms = append(forms, quote(whole)+":*")
	}
	if len(w) > 1 {
		parts := make([]string, len(w))
		for i, part := range w {
			parts[i] = quote(part)
		}
		forms = append(forms, strings.Join(parts, " <-> ")+":*")
	}
	return Term{Query: strings.Join(forms, " | "), Stem: whole}
}

// stopWords are ignored in a query that has other words.
var stopWords = func() map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(
		"a an and are as at be by for from in is it my of on or our that the this to with your") {
		m[w] = true
	}
	return m
}()
