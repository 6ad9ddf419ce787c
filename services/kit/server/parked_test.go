package server

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/inbox"
	"daprmall.dev/services/kit/postgres/postgrestest"
)

// openSigned is open with a key, and the token of a user with roles.
func openSigned(t *testing.T) (*testServer, func(roles ...string) string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	v := identity.NewVerifier(func(context.Context) (identity.KeySet, error) {
		x := base64.RawURLEncoding.EncodeToString(public)
		return identity.KeySet{Keys: []identity.Key{{Kty: "OKP", Crv: "Ed25519", Kid: "k", X: x}}}, nil
	})
	var log bytes.Buffer
	env := config.Env{AppID: "order", AppAPIToken: "secret"}
	d := &testServer{t, New(env, slog.New(slog.NewJSONHandler(&log, nil)), v), &log}
	return d, func(roles ...string) string {
		now := time.Now()
		token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, identity.Claims{Roles: roles, Session: "s",
			Type: identity.AccessType, IssuedMS: now.UnixMilli(), RegisteredClaims: jwt.RegisteredClaims{
				Issuer: identity.Issuer, Audience: jwt.ClaimStrings{identity.Audience}, Subject: "9",
				IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(time.Minute))}})
		token.Header["kid"] = "k"
		signed, err := token.SignedString(private)
		if err != nil {
			t.Fatal(err)
		}
		return "Authorization: Bearer " + signed
	}
}

func TestAdminsLookAfterParkedEvents(t *testing.T) {
	d, token := openSigned(t)
	db := postgrestest.Open(t, inbox.Migrations)
	in := inbox.New(db, nil, slog.New(slog.DiscardHandler))
	inbox.On(in, "payment", "mall.payment.succeeded.v1", func(context.Context, fact) error { return errSecret })
	d.s.ServeParked(in)
	for _, id := range []string{"a", "b", "c"} {
		event := fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"payment","type":"mall.payment.succeeded.v1",
			"subject":"7","data":{"n":1}}`, id)
		if err := in.Receive(t.Context(), []byte(event))[0]; err != nil {
			t.Fatal(err)
		}
	}
	const path, gateway = "/v1/admin/parked-events/order", "dapr-caller-app-id: api-gateway"
	admin := token("admin")
	d.ask("GET", path, "", admin).want(t, "not through the gateway", 403, "caller_not_allowed")
	d.ask("GET", path, "", gateway, token("seller")).want(t, "a seller", 403, "forbidden")
	d.ask("POST", path+"/a/drop", `{"reason":"x"}`, gateway, token("customer")).want(t, "a customer", 403, "forbidden")

	var seen []string
	for next := "?page_size=2"; next != ""; {
		a := d.ask("GET", path+next, "", gateway, admin)
		var page struct {
			Items []struct {
				ID, Type, Source, Key, Reason string
				Attempts                      int
			}
			Next *string `json:"next_page_token"`
		}
		if err := json.Unmarshal([]byte(a.body), &page); a.status != 200 || err != nil {
			t.Fatalf("list: %d %s, %v", a.status, a.body, err)
		}
		for _, e := range page.Items {
			seen = append(seen, e.ID)
			if e.Type != "mall.payment.succeeded.v1" || e.Source != "payment" || e.Reason == "" || e.Attempts != 1 {
				t.Errorf("%+v", e)
			}
		}
		if next = ""; page.Next != nil {
			next = "?page_size=2&page_token=" + *page.Next
		}
	}
	if got := strings.Join(seen, ""); got != "abc" {
		t.Errorf("the pages have %s, want abc", got)
	}
	for _, query := range []string{"page_token=x", "page_token=MQ", "page_token=", "page_size=0", "service=order"} {
		d.ask("GET", path+"?"+query, "", gateway, admin).want(t, query, 422, "validation_failed")
	}

	for what, c := range map[string]struct{ body, code string }{"no reason": {`{}`, "validation_failed"},
		"an empty reason": {`{"reason":" "}`, "validation_failed"}, "another field": {`{"why":"x"}`, "validation_failed"},
		"a long reason": {`{"reason":"` + strings.Repeat("x", 201) + `"}`, "validation_failed"}} {
		d.ask("POST", path+"/a/drop", c.body, gateway, admin).want(t, what, 422, c.code)
	}
	for range 2 {
		d.ask("POST", path+"/a/drop", `{"reason":"never comes"}`, gateway, admin).want(t, "drop", 204, "")
		d.ask("POST", path+"/b/retry", "", gateway, admin).want(t, "retry", 204, "")
	}
	var reason string
	if err := db.Raw("SELECT reason FROM inbox WHERE id = 'a'").Scan(&reason).Error; err != nil ||
		!strings.HasPrefix(reason, "never comes (user 9)") {
		t.Errorf("the reason is %q, %v", reason, err)
	}
	if got := status(t, db, "a") + status(t, db, "b"); got != "droppedparked" {
		t.Errorf("the events are %s", got)
	}
	if err := db.Exec("UPDATE inbox SET status = 'done', next_try_at = NULL WHERE id = 'c'").Error; err != nil {
		t.Fatal(err)
	}
	d.ask("POST", path+"/c/retry", "", gateway, admin).want(t, "retry of one that was handled", 204, "")
	d.ask("POST", path+"/c/drop", `{"reason":"x"}`, gateway, admin).want(t, "drop of it", 409, "event_handled")
	d.ask("POST", path+"/a/retry", "", gateway, admin).want(t, "retry of one that was dropped", 409, "event_dropped")
	d.ask("POST", path+"/z/retry", "", gateway, admin).want(t, "one that is not there", 404, "not_found")
}

// A handler may have the event in its hands for long: an admin is told, and the event is not touched.
func TestAnEventInProgressIsNotWaitedForLong(t *testing.T) {
	d, token := openSigned(t)
	db := postgrestest.Open(t, inbox.Migrations)
	in := inbox.New(db, nil, slog.New(slog.DiscardHandler))
	inbox.On(in, "payment", "mall.payment.succeeded.v1", func(context.Context, fact) error { return errSecret })
	d.s.ServeParked(in)
	if err := in.Receive(t.Context(), []byte(`{"specversion":"1.0","id":"a","source":"payment",
		"type":"mall.payment.succeeded.v1","data":{"n":1}}`))[0]; err != nil {
		t.Fatal(err)
	}
	tx := db.Begin()
	defer tx.Rollback()
	if err := tx.Exec("SELECT 1 FROM inbox WHERE id = 'a' FOR UPDATE").Error; err != nil {
		t.Fatal(err)
	}
	d.ask("POST", "/v1/admin/parked-events/order/a/drop", `{"reason":"x"}`, "dapr-caller-app-id: api-gateway",
		token("admin")).want(t, "drop", 503, "unavailable")
	if got := status(t, db, "a"); got != "parked" {
		t.Errorf("the event is %s", got)
	}
}
