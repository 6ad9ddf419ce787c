package userv1

import "time"

// KeyVerdict is the key in the configuration store of the verdict of the last audit, in JSON. The operators' command
// writes it, and user shows it to admins.
const KeyVerdict = "mall.audit"

// Verdict is what an audit of the whole mall has found.
type Verdict struct {
	At       time.Time `json:"at"`
	Balanced bool      `json:"balanced"`
	Books    []Book    `json:"books"`
}

// Book is one comparison of an audit.
type Book struct {
	ID       string `json:"id"`
	Title    string `json:"title"`
	Verdict  string `json:"verdict"` // balanced, in flight or violated
	Findings int    `json:"findings"`
}
