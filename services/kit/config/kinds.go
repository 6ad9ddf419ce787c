package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration declares a setting like "15m" between lo and hi.
func (l *Live) Duration(key string, def, lo, hi time.Duration) func() time.Duration {
	return Setting(l, key, def, func(s string) (time.Duration, error) {
		d, err := time.ParseDuration(s)
		if err == nil && (d < lo || d > hi) {
			err = fmt.Errorf("%s is outside %s–%s", d, lo, hi)
		}
		return d, err
	})
}

// Int declares a whole number between lo and hi.
func (l *Live) Int(key string, def, lo, hi int64, opts ...Option) func() int64 {
	return Setting(l, key, def, func(s string) (int64, error) {
		n, err := strconv.ParseInt(s, 10, 64)
		if err == nil && (n < lo || n > hi) {
			err = fmt.Errorf("%d is outside %d–%d", n, lo, hi)
		}
		return n, err
	}, opts...)
}

// String declares a text that check accepts (nil: any).
func (l *Live) String(key, def string, check func(string) error, opts ...Option) func() string {
	return Setting(l, key, def, func(s string) (string, error) {
		if check != nil {
			return s, check(s)
		}
		return s, nil
	}, opts...)
}

// Currency declares the mall's one currency (ISO 4217). Rooms that price and rooms that show prices must refuse the same
// values: with two opinions about it nothing could be bought.
func (l *Live) Currency() func() string {
	return l.String("mall.currency", "CNY", func(s string) error {
		if len(s) != 3 || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			return errors.New("a currency is an ISO 4217 code of three capital letters")
		}
		return nil
	}, Chosen)
}
