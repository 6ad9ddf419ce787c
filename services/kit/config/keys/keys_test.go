package keys

import (
	"strings"
	"testing"
)

func TestEverySettingIsComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range All() {
		if e.Name == "" || seen[e.Name] || e.Form == "" || e.Doc == "" || !strings.Contains(e.Name, ".") {
			t.Errorf("%+v: want a unique name, a form and a doc text", e)
		}
		seen[e.Name] = true
		if err := e.Check(e.Default); err != nil {
			t.Errorf("%s: its default is refused: %v", e.Name, err)
		}
	}
}

func TestInvalidValuesAreRefused(t *testing.T) {
	for name, bad := range map[string][]string{
		"order.payment_timeout":    {"", "soon", "15", "0s", "721h", "-1m"},
		"mall.archive_after":       {"1h", "1439h", "876001h"},
		"database.max_connections": {"", "ten", "1", "501", "5.5"},
		"checkout.shipping_fee":    {"-1", "1e3", "10 CNY"},
		"mall.currency":            {"", "cny", "EU", "EURO", "茶", "XYZ", "XAU", "DEM"},
		"payment.provider":         {"", "strip", "Stripe"},
		"payment.return_url":       {"shop.example", "ftp://shop.example", "https://"},
		"user.verify_at_sign_up":   {"", "yes", "2"},
		"auth.key_rotation":        {"1s", "23h", "-24h"},
		"gateway.rate.anonymous":   {"", "10", "0/5", "-1/5", "5/0", "NaN/5", "Inf/5", "x/y", "1/2/3"},
	} {
		e, ok := Find(name)
		if !ok {
			t.Errorf("%s is not a setting", name)
			continue
		}
		for _, text := range bad {
			if err := e.Check(text); err == nil {
				t.Errorf("%s accepts %q", name, text)
			}
		}
	}
	for name, good := range map[string]string{"gateway.rate.user": " 0.5/1 ", "auth.key_rotation": "0",
		"user.mail_link": "http://shop/x", "gateway.policy": "p, a, b, c"} {
		if e, _ := Find(name); e.Check == nil || e.Check(good) != nil {
			t.Errorf("%s refuses %q", name, good)
		}
	}
}
