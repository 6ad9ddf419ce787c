// Package strength estimates how hard a password is to guess: from lists of known ones, names, words, dates, keyboard
// rows and repeats (zxcvbn, with its lists built in; no network).
package strength

import (
	"strings"

	"github.com/trustelem/zxcvbn"
)

const (
	// enough is zxcvbn's "somewhat guessable": more than a million guesses. The sign-in limits allow some thousands a day
	// and account.
	enough = 2
	// looked bounds the time, which grows with the square of the length.
	looked = 48
)

// Weak reports whether a password is easy to guess for somebody who knows the account's email.
func Weak(password, email string) bool {
	if runes := []rune(password); len(runes) > looked {
		password = string(runes[:looked])
	}
	local, _, _ := strings.Cut(email, "@")
	parts := strings.FieldsFunc(local, func(r rune) bool { return strings.ContainsRune(".-_+", r) })
	joined := strings.Join(parts, "")
	if namesakes(password, local) || namesakes(password, joined) {
		return true
	}
	about := append([]string{email, local, joined, "mall"}, parts...)
	return zxcvbn.PasswordStrength(password, about).Score < enough
}

// namesakes reports whether a password is little more than a name.
func namesakes(password, name string) bool {
	rest := strings.ReplaceAll(strings.ToLower(password), name, "")
	return len(name) >= 4 && len(rest) < len(password) && len([]rune(rest)) < 8
}
