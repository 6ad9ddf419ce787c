package keys

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"daprmall.dev/services/kit/money"
)

// Duration makes a setting like "15m" between lo and hi.
func Duration(name, def string, lo, hi time.Duration, doc string) Key[time.Duration] {
	form := fmt.Sprintf("duration from %s to %s", short(lo), short(hi))
	return Key[time.Duration]{Name: name, Default: def, Form: form, Doc: doc,
		Parse: func(text string) (time.Duration, error) {
			d, err := time.ParseDuration(text)
			if err == nil && (d < lo || d > hi) {
				err = fmt.Errorf("%s is outside %s–%s", d, short(lo), short(hi))
			}
			return d, err
		}}
}

func durationOrZero(name, def string, lo, hi time.Duration, doc string) Key[time.Duration] {
	k := Duration(name, def, lo, hi, doc)
	within := k.Parse
	k.Form = "0s, or " + k.Form
	k.Parse = func(text string) (time.Duration, error) {
		if d, err := time.ParseDuration(text); err == nil && d == 0 {
			return 0, nil
		}
		return within(text)
	}
	return k
}

// short leaves out the parts of a duration that are zero.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Int makes a setting that is a whole number between lo and hi.
func Int(name, def string, lo, hi int64, doc string) Key[int64] {
	form := fmt.Sprintf("whole number from %d to %d", lo, hi)
	return Key[int64]{Name: name, Default: def, Form: form, Doc: doc, Parse: func(text string) (int64, error) {
		n, err := strconv.ParseInt(text, 10, 64)
		if err == nil && (n < lo || n > hi) {
			err = fmt.Errorf("%d is outside %d–%d", n, lo, hi)
		}
		return n, err
	}}
}

func boolean(name, def, doc string) Key[bool] {
	return Key[bool]{Name: name, Default: def, Form: "true or false", Doc: doc, Parse: strconv.ParseBool}
}

// currency is read by services that price and by services that show prices: if they disagreed, nothing could be bought.
func currency(name, def, doc string) Key[string] {
	return Key[string]{Name: name, Default: def, Form: "ISO 4217 code", Doc: doc, Chosen: true,
		Parse: func(text string) (string, error) {
			if !money.Known(text) {
				return "", errors.New("a currency in use has an ISO 4217 code of three capital letters, like CNY")
			}
			return text, nil
		}}
}

// oneOf has the first choice as its default. A service may reject a choice that is not set up.
func oneOf(name, doc string, choices ...string) Key[string] {
	form := strings.Join(choices, " or ")
	return Key[string]{Name: name, Default: choices[0], Form: form, Doc: doc, Chosen: true,
		Parse: func(text string) (string, error) {
			if !slices.Contains(choices, text) {
				return "", fmt.Errorf("want %s", form)
			}
			return text, nil
		}}
}

// address is a URL to put into mails and pages, or "".
func address(name, doc string) Key[string] {
	return Key[string]{Name: name, Form: "address, https://…", Doc: doc, Parse: func(text string) (string, error) {
		u, err := url.Parse(text)
		if text != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "") {
			return "", errors.New("want a whole address, https://…")
		}
		return text, nil
	}}
}

// text is checked only by its service.
func text(name, form, doc string) Key[string] {
	return required(Key[string]{Name: name, Form: form, Doc: doc,
		Parse: func(text string) (string, error) { return text, nil }})
}

// Rate is a number of requests per second, and the burst allowed after a pause.
type Rate struct {
	PerSecond float64
	Burst     int
}

func limit(name, def, doc string) Key[Rate] {
	return required(Key[Rate]{Name: name, Default: def, Form: "requests a second/at once, 100/200", Doc: doc,
		Parse: parseRate})
}

func parseRate(text string) (Rate, error) {
	perSecond, burst, ok := strings.Cut(strings.TrimSpace(text), "/")
	if !ok {
		return Rate{}, fmt.Errorf("%q is not rate/burst", text)
	}
	r, err := strconv.ParseFloat(perSecond, 64)
	if err != nil || !(r > 0 && r <= 1e6) { // also refuses NaN
		return Rate{}, fmt.Errorf("rate %q is not a number above 0 and up to 1000000", perSecond)
	}
	b, err := strconv.Atoi(burst)
	if err != nil || b < 1 || b > 1e6 {
		return Rate{}, fmt.Errorf("burst %q is not between 1 and 1000000", burst)
	}
	return Rate{PerSecond: r, Burst: b}, nil
}

func required[T any](k Key[T]) Key[T] {
	k.Required = true
	return k
}
