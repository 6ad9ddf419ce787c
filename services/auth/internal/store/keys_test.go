package store_test

import (
	"context"
	"encoding/base64"
	"strings"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/auth/internal/auth"
	"daprmall.dev/services/auth/internal/signing"
	"daprmall.dev/services/auth/internal/store"
	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/kit/problem"
)

func key32(b byte) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(rune(b)), 32)))
}

func ring(t *testing.T, db *gorm.DB, secret map[string]string, rotation time.Duration) *signing.Ring {
	t.Helper()
	vault, err := signing.NewVault(secret)
	if err != nil {
		t.Fatal(err)
	}
	r := signing.NewRing(store.NewKeys(db, vault), vault, func() time.Duration { return rotation })
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

// verifies reports whether a verifier that has just fetched the keys of a ring accepts a token.
func verifies(t *testing.T, r *signing.Ring, token string) bool {
	t.Helper()
	_, err := identity.NewVerifier(func(context.Context) (identity.KeySet, error) { return r.Public(), nil }).
		Verify(t.Context(), token)
	return err == nil
}

func sign(t *testing.T, r *signing.Ring) string {
	t.Helper()
	token, err := r.Sign(auth.Session{ID: "1", UserID: "7", Roles: []string{"customer"}}, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func states(t *testing.T, r *signing.Ring) map[signing.State][]string {
	t.Helper()
	keys, err := r.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[signing.State][]string{}
	for _, k := range keys.List {
		out[k.State(keys.Now)] = append(out[k.State(keys.Now)], k.Kid)
	}
	return out
}

// aged makes the keys older.
func aged(t *testing.T, db *gorm.DB, by string) {
	t.Helper()
	if err := db.Exec(`UPDATE signing_keys SET created_at = created_at - ?::interval,
		activated_at = activated_at - ?::interval,
		retired_at = retired_at - ?::interval`, by, by, by).Error; err != nil {
		t.Fatal(err)
	}
}

// A key is published before it signs and for a while afterwards. All replicas follow without a restart.
func TestAKeyIsPublishedBeforeItSigns(t *testing.T) {
	db := postgrestest.Open(t, store.Migrations)
	secret := map[string]string{"wrap": "w", "wrap-w": key32(1)}
	here, there := ring(t, db, secret, 0), ring(t, db, secret, 0)
	old := sign(t, here)
	if _, err := here.Rotate(t.Context()); problem.CodeOf(err) != "key_too_new" {
		t.Fatalf("a key that was just published: %v, want key_too_new", err)
	}
	aged(t, db, "2 minutes")
	early := there.Public() // the keys that a verifier fetched before the rotation
	if _, err := here.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	fresh := sign(t, here)
	if _, err := identity.NewVerifier(func(context.Context) (identity.KeySet, error) { return early, nil }).
		Verify(t.Context(), fresh); err != nil {
		t.Errorf("a verifier with the earlier keys: %v, want it to have the new one", err)
	}
	if !verifies(t, here, old) || !verifies(t, there, fresh) {
		t.Error("an earlier or a new token is refused")
	}
	if err := there.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := states(t, there); len(s[signing.Active]) != 1 || len(s[signing.Standby]) != 1 ||
		len(s[signing.Retired]) != 1 || !verifies(t, here, sign(t, there)) {
		t.Errorf("states %v, want one of each", s)
	}
	aged(t, db, "26 hours")
	if err := here.Refresh(t.Context()); err != nil || verifies(t, here, old) || !verifies(t, here, fresh) {
		t.Errorf("a day later: %v; the retired key is still published, or the active one is not", err)
	}
}

// The tokens of a stolen key are rejected at once, and no others.
func TestTokensOfARevokedKeyAreRejected(t *testing.T) {
	db := postgrestest.Open(t, store.Migrations)
	r := ring(t, db, map[string]string{"wrap": "w", "wrap-w": key32(1)}, 0)
	stolen := states(t, r)[signing.Active][0]
	token := sign(t, r)
	keys, err := r.Revoke(t.Context(), stolen)
	if err != nil {
		t.Fatal(err)
	}
	if published, err := r.Published(t.Context()); err != nil || strings.Contains(strings.Join(published, " "), stolen) ||
		len(published) != 2 {
		t.Errorf("published %v, %v; of %v", published, err, keys.List)
	}
	if verifies(t, r, token) || !verifies(t, r, sign(t, r)) {
		t.Error("the stolen key's token is accepted, or a new one is not")
	}
	if _, err := r.Revoke(t.Context(), "nobody"); problem.KindOf(err) != problem.NotFound {
		t.Errorf("an unknown key: %v", err)
	}
}

// Keys that older versions kept in the secret store are imported, and the wrapping key may change.
func TestKeysAreImportedAndSealedWithANewWrappingKey(t *testing.T) {
	db := postgrestest.Open(t, store.Migrations)
	secret := map[string]string{"active": "k1", "k1": key32(7), "k0": key32(8), "wrap": "w1", "wrap-w1": key32(1)}
	token := sign(t, ring(t, db, secret, 0))
	secret["wrap"], secret["wrap-w2"] = "w2", key32(2)
	r := ring(t, db, secret, 0)
	if s := states(t, r); len(s[signing.Active]) != 1 || s[signing.Active][0] != "k1" || len(s[signing.Retired]) != 1 ||
		!verifies(t, r, token) {
		t.Errorf("states %v, want k1 to sign and k0 to verify", s)
	}
	delete(secret, "wrap-w1")
	if r = ring(t, db, secret, 0); !verifies(t, r, token) {
		t.Error("without the old wrapping key the token is refused")
	}
	var sealed [][]byte
	if err := db.Raw("SELECT sealed FROM signing_keys").Scan(&sealed).Error; err != nil || len(sealed) != 3 ||
		strings.Contains(string(sealed[0])+string(sealed[1]), strings.Repeat("\x07", 32)) {
		t.Errorf("%d keys, %v; or one is not encrypted", len(sealed), err)
	}
}

// A revoked key stays revoked, even after its row was purged while the secret store still contains it.
func TestARevokedKeyIsNotImportedAgain(t *testing.T) {
	db := postgrestest.Open(t, store.Migrations)
	secret := map[string]string{"active": "k1", "k1": key32(7), "wrap": "w1", "wrap-w1": key32(1)}
	r := ring(t, db, secret, 0)
	token := sign(t, r)
	if _, err := r.Revoke(t.Context(), "k1"); err != nil {
		t.Fatal(err)
	}
	if err := db.Exec("UPDATE signing_keys SET revoked_at = revoked_at - interval '100 days' WHERE kid = 'k1'").
		Error; err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first start purges it
		r = ring(t, db, secret, 0)
	}
	if verifies(t, r, token) {
		t.Error("the stolen key's token is accepted again")
	}
}

// When many replicas start or rotate at the same time, one key is active.
func TestReplicasAgreeOnTheKeys(t *testing.T) {
	db := postgrestest.Open(t, store.Migrations)
	secret := map[string]string{"wrap": "w", "wrap-w": key32(1)}
	vault, err := signing.NewVault(secret)
	if err != nil {
		t.Fatal(err)
	}
	all := func(do func(r *signing.Ring) error) {
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				if err := do(signing.NewRing(store.NewKeys(db, vault), vault,
					func() time.Duration { return time.Hour })); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	all(func(r *signing.Ring) error { return r.Open(t.Context()) })
	aged(t, db, "2 hours")
	all(func(r *signing.Ring) error { return r.Refresh(t.Context()) })
	if s := states(t, ring(t, db, secret, time.Hour)); len(s[signing.Active]) != 1 || len(s[signing.Standby]) != 1 ||
		len(s[signing.Retired]) != 1 {
		t.Errorf("states %v, want one rotation", s)
	}
}
