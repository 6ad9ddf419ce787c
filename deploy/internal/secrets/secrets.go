// Package secrets makes what a mall must keep to itself, on first start, and keeps it
// in two files that only their owner can read: what apps get through the Dapr secret
// store, and what the runner alone knows.
package secrets

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"daprmall.dev/services/contracts"
)

// Keys are the secrets with a "key" that can be changed while the mall runs (Next, Swap).
var Keys = []string{"refresh-hmac", "idempotency-hmac"}

const (
	nameRedis   = "redis"
	nameSigning = "signing-keys"
	nameAdmin   = "first-admin"
)

// Store is the content of secrets.json: name → key → value, as the local.file secret
// store with multiValued reads it.
type Store map[string]map[string]string

// Own is what the runner keeps for itself.
type Own struct {
	PostgresPassword string            `json:"postgres_password"`
	DaprTokens       map[string]string `json:"dapr_tokens"` // by app: app → its sidecar
	AppTokens        map[string]string `json:"app_tokens"`  // by app: its sidecar → app
	// EventsTokens are in the paths on which sidecars deliver events, by app. A sidecar names the path in its log when its
	// app is away, so they are not kept: each start makes new ones.
	EventsTokens map[string]string `json:"-"`
}

// Load reads both files, adds what is missing and writes them back. What exists is
// never changed: a new key would sign everyone out, a new password lock us out.
func Load(home string, apps []string) (Store, Own, error) {
	store := Store{}
	own := Own{}
	if err := readJSON(storePath(home), &store); err != nil {
		return nil, own, err
	}
	if err := readJSON(ownPath(home), &own); err != nil {
		return nil, own, err
	}
	Complete(store, &own, apps)
	return store, own, errors.Join(Save(home, store), writeJSON(ownPath(home), own))
}

// Complete adds what is missing. What exists stays.
func Complete(store Store, own *Own, apps []string) {
	store.fill()
	store.callerKeys(apps)
	for _, app := range apps {
		if readers := store.SettingsReaders(); readers[app] == "" {
			readers[app] = password()
		}
	}
	if own.PostgresPassword == "" {
		own.PostgresPassword = password()
	}
	for _, tokens := range []*map[string]string{&own.DaprTokens, &own.AppTokens, &own.EventsTokens} {
		if *tokens == nil {
			*tokens = map[string]string{}
		}
		for _, app := range apps {
			if (*tokens)[app] == "" {
				(*tokens)[app] = password()
			}
		}
	}
	if key := os.Getenv("MALL_STRIPE_API_KEY"); key != "" {
		store["stripe"] = map[string]string{"api_key": key, "webhook_secret": os.Getenv("MALL_STRIPE_WEBHOOK_SECRET"),
			"publishable_key": os.Getenv("MALL_STRIPE_PUBLISHABLE_KEY"), "api_url": os.Getenv("MALL_STRIPE_API_URL")}
	}
}

// Save writes secrets.json.
func Save(home string, store Store) error { return writeJSON(storePath(home), store) }

// SetDatabase records how a service reaches its database, keeping its password.
func (s Store) SetDatabase(name, hostport, options string) {
	dsn := url.URL{Scheme: "postgres", User: url.UserPassword(name, s.DatabasePassword(name)),
		Host: hostport, Path: "/" + name, RawQuery: options}
	s[name+"-db"]["dsn"] = dsn.String()
}

// Next makes the value that follows the key of a secret; it is recognised, and not used yet.
func (s Store) Next(name string) {
	s[name]["other"] = base64.StdEncoding.EncodeToString(random(32))
}

// Swap uses the value that was made by Next; the one before is recognised until the next change. Until Settled somebody
// may use that.
func (s Store) Swap(name string) {
	s[name]["key"], s[name]["other"] = s[name]["other"], s[name]["key"]
	s[name][unsettled] = "yes"
}

// unsettled marks a secret whose value before may still be in use.
const unsettled = "unsettled"

// Settled means that all processes use the value of the last Swap.
func (s Store) Settled(name string) { delete(s[name], unsettled) }

// IsSettled reports whether everybody does.
func (s Store) IsSettled(name string) bool { return s[name][unsettled] == "" }

// NextDSN makes the password that follows that of a database. One that a rotation has left half done is taken up again:
// the database may have it already.
func (s Store) NextDSN(name string) (next string) {
	next = password()
	if half, err := url.Parse(s[name+"-db"]["other_dsn"]); err == nil && half.User != nil {
		next, _ = half.User.Password()
	}
	dsn, err := url.Parse(s.DSN(name))
	if err != nil {
		return ""
	}
	dsn.User = url.UserPassword(name, next)
	s[name+"-db"]["other_dsn"] = dsn.String()
	return next
}

// UseNextDSN forgets the password before the next.
func (s Store) UseNextDSN(name string) {
	s[name+"-db"] = map[string]string{"dsn": s[name+"-db"]["other_dsn"]}
}

// DatabasePassword is the password inside a service's connection string.
func (s Store) DatabasePassword(name string) string {
	dsn, err := url.Parse(s[name+"-db"]["dsn"])
	if err != nil || dsn.User == nil {
		return ""
	}
	p, _ := dsn.User.Password()
	return p
}

// DSN is how a service reaches its database.
func (s Store) DSN(name string) string { return s[name+"-db"]["dsn"] }

// Databases is how services reach their databases, by name.
func (s Store) Databases() map[string]string {
	all := map[string]string{}
	for _, name := range contracts.Databases() {
		all[name] = s.DSN(name)
	}
	return all
}

// FirstAdmin is the one-time secret that makes the first admin.
func (s Store) FirstAdmin() string { return s[nameAdmin]["secret"] }

// Read returns the secrets of a mall that was started before.
func Read(home string) (Store, error) {
	s := Store{}
	return s, readJSON(storePath(home), &s)
}

// RedisPassword is shared by everything that reaches Redis; no app may read it.
func (s Store) RedisPassword() string { return s[nameRedis]["password"] }

// SetRedisPassword takes over the password of a Redis that is not ours.
func (s Store) SetRedisPassword(p string) { s[nameRedis] = map[string]string{"password": p} }

func (s Store) fill() {
	for _, name := range contracts.Databases() {
		if s[name+"-db"] == nil {
			s[name+"-db"] = map[string]string{"dsn": fmt.Sprintf("postgres://%s:%s@127.0.0.1/%s", name, password(), name)}
		}
	}
	for _, name := range Keys {
		if s[name] == nil {
			s[name] = map[string]string{"key": base64.StdEncoding.EncodeToString(random(32))}
		}
	}
	if s[nameRedis] == nil {
		s.SetRedisPassword(password())
	}
	if s[nameAdmin] == nil {
		s[nameAdmin] = map[string]string{"secret": password()}
	}
	if s[nameSigning] == nil {
		kid := "k" + hex.EncodeToString(random(4))
		s[nameSigning] = map[string]string{"active": kid, kid: base64.StdEncoding.EncodeToString(random(32))}
	}
	if s[nameSigning]["wrap"] == "" { // seals the keys in auth's database
		id := hex.EncodeToString(random(4))
		s[nameSigning]["wrap"], s[nameSigning]["wrap-"+id] = id, base64.StdEncoding.EncodeToString(random(32))
	}
}

// SettingsReaders are the passwords with which sidecars read settings from Redis, by app. No app may read them.
func (s Store) SettingsReaders() map[string]string { return s.at("settings-readers") }

// callerKeys gives each app a key for each other, in the secret of the one that shows it (<app>-peers) and of the one
// that looks at it (<app>-callers).
func (s Store) callerKeys(apps []string) {
	for _, callee := range apps {
		for _, caller := range apps {
			if caller == callee {
				continue
			}
			callers, peers := s.at(callee+"-callers"), s.at(caller+"-peers")
			if callers[caller] == "" {
				callers[caller] = password()
			}
			peers[callee] = callers[caller]
		}
	}
}

// at returns a secret, made if it is not there.
func (s Store) at(name string) map[string]string {
	if s[name] == nil {
		s[name] = map[string]string{}
	}
	return s[name]
}

// String hides the values, whatever prints the store.
func (s Store) String() string { return fmt.Sprintf("%d secrets ***", len(s)) }

func password() string { return hex.EncodeToString(random(24)) }

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: it ends the program instead
	return b
}

func storePath(home string) string { return filepath.Join(home, "secrets.json") }
func ownPath(home string) string   { return filepath.Join(home, "runner.json") }

func readJSON(path string, into any) error {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// writeJSON replaces the file in one step: a crash leaves the old one or the new one.
func writeJSON(path string, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, append(raw, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
