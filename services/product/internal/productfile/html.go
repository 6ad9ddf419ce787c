package productfile

import (
	"regexp"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

var tag = regexp.MustCompile(`<[a-zA-Z/!]`)

// PlainText is what a piece of HTML shows, as lines of text. A text without tags stays as it is, but for its character
// references.
func PlainText(s string) string {
	if !tag.MatchString(s) {
		return strings.TrimSpace(strings.ReplaceAll(html.UnescapeString(s), "\u00a0", " "))
	}
	var out plainText
	for z := html.NewTokenizer(strings.NewReader(s)); ; {
		switch kind := z.Next(); kind {
		case html.ErrorToken: // the end: a reader of a text has no other
			return out.String()
		case html.TextToken:
			if out.hidden == 0 {
				out.text(string(z.Text()))
			}
		case html.StartTagToken, html.EndTagToken, html.SelfClosingTagToken:
			name, _ := z.TagName()
			out.tag(atom.Lookup(name), kind)
		}
	}
}

// plainText collects what is shown.
type plainText struct {
	strings.Builder
	hidden int // inside of how many elements that show nothing
	breaks int // line breaks before the next text
	space  bool
}

// text adds a text of HTML, in which white space of any length is one space.
func (p *plainText) text(raw string) {
	raw = strings.ReplaceAll(raw, "\u00a0", " ")
	for i, word := range strings.FieldsFunc(raw, isSpace) {
		if i > 0 || isSpace(rune(raw[0])) {
			p.space = true
		}
		p.word(word)
	}
	if raw != "" && isSpace(rune(raw[len(raw)-1])) {
		p.space = true
	}
}

func (p *plainText) word(word string) {
	switch {
	case p.Len() == 0:
	case p.breaks > 0:
		p.WriteString(strings.Repeat("\n", min(p.breaks, 2)))
	case p.space:
		p.WriteByte(' ')
	}
	p.breaks, p.space = 0, false
	p.WriteString(word)
}

// tag begins lines where a browser does.
func (p *plainText) tag(name atom.Atom, kind html.TokenType) {
	switch name {
	case atom.Script, atom.Style, atom.Template, atom.Noscript, atom.Head, atom.Iframe:
		if kind == html.StartTagToken {
			p.hidden++
		} else if kind == html.EndTagToken && p.hidden > 0 {
			p.hidden--
		}
	case atom.Br:
		p.breaks++
	case atom.P, atom.Ul, atom.Ol, atom.Table, atom.Blockquote, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		p.breaks = max(p.breaks, 2)
	case atom.Div, atom.Li, atom.Tr, atom.Dt, atom.Dd, atom.Section, atom.Article, atom.Hr, atom.Pre:
		p.breaks = max(p.breaks, 1)
	case atom.Td, atom.Th:
		p.space = true
	}
	if name == atom.Li && kind == html.StartTagToken && p.hidden == 0 {
		p.word("-")
		p.space = true
	}
}

func isSpace(c rune) bool {
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'
}
