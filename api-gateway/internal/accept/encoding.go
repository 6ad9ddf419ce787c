// Package accept reads what a client accepts.
package accept

import (
	"strconv"
	"strings"
)

// Encoding returns which of the offered codings, best first, has the greatest weight in Accept-Encoding (RFC 9110,
// section 12.5.3); "" for none.
func Encoding(headers, offered []string) (best string) {
	weights := map[string]float64{}
	for _, header := range headers {
		for part := range strings.SplitSeq(header, ",") {
			name, parameter, _ := strings.Cut(part, ";")
			weight := 1.0
			if q, ok := strings.CutPrefix(strings.TrimSpace(parameter), "q="); ok {
				var err error
				if weight, err = strconv.ParseFloat(q, 64); err != nil {
					weight = 0
				}
			}
			weights[strings.ToLower(strings.TrimSpace(name))] = weight
		}
	}
	greatest := 0.0
	for _, name := range offered {
		weight, named := weights[name]
		if !named {
			weight = weights["*"]
		}
		if weight > greatest {
			best, greatest = name, weight
		}
	}
	return best
}
