package audit

import (
	"fmt"
	"io"
	"time"
)

// maxShown bounds the findings printed per book; JSON has them all.
const maxShown = 20

// Print writes the report for people.
func (r *Report) Print(out io.Writer) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }
	for _, b := range r.Books {
		mark := map[string]string{"balanced": "✓", "in flight": "…", "violated": "✗"}[b.Verdict]
		say("%s %s %-17s %s", mark, b.ID, b.Title, b.Verdict)
		for _, l := range b.Looked {
			say("      %s", l)
		}
		for _, level := range []Level{Violation, Parked, InFlight} {
			n := 0
			for _, f := range b.Findings {
				if f.Level != level {
					continue
				}
				if n++; n <= maxShown {
					say("    %s: %s: %s (%s)", f.Level, f.Subject, f.Detail, f.Rule)
				}
			}
			if n > maxShown {
				say("    … and %d more %s (--json has all)", n-maxShown, level)
			}
		}
	}
	verdict := "The books balance"
	if !r.Balanced {
		verdict = "The books do not balance"
	}
	say("%s (%s).", verdict, r.Took.Round(time.Millisecond))
}
