package kubernetes

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"

	"daprmall.dev/services/contracts"
)

// cluster is the part of the Kubernetes API that Client asks, with what it keeps.
type cluster struct {
	secrets map[string]Secret
	changes int
}

func newCluster(t *testing.T) (*cluster, *Client) {
	t.Helper()
	c := &cluster{secrets: map[string]Secret{}}
	srv := httptest.NewServer(c)
	t.Cleanup(srv.Close)
	return c, &Client{srv.URL, "token", "shop", srv.Client()}
}

func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const all = "/api/v1/namespaces/shop/secrets"
	name := path.Base(r.URL.Path)
	there, ok := c.secrets[name]
	var body Secret
	if r.Method != http.MethodGet {
		c.changes++
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
	}
	switch {
	case r.Header.Get("Authorization") != "Bearer token" || !strings.HasPrefix(r.URL.Path, all):
		w.WriteHeader(http.StatusForbidden)
	case r.Method == http.MethodPost && r.URL.Path == all:
		if _, twice := c.secrets[body.Metadata.Name]; twice {
			w.WriteHeader(http.StatusConflict)
			return
		}
		c.secrets[body.Metadata.Name] = body
		w.WriteHeader(http.StatusCreated)
	case !ok:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodPatch:
		there.Data = maps.Clone(there.Data)
		maps.Copy(there.Data, body.Data)
		c.secrets[name] = there
	default:
		_ = json.NewEncoder(w).Encode(there)
	}
}

// keepAll is what setup does before every installation and upgrade.
func keepAll(t *testing.T, c *Client, p Places) Mall {
	t.Helper()
	m, err := Load(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	m.Reach(p)
	if err := m.Keep(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return m
}

// The first installation makes every Secret that a sidecar or the chart names; the next one changes nothing.
func TestSecretsAreMadeOnce(t *testing.T) {
	api, c := newCluster(t)
	p := Places{Postgres: "postgres:5432", SSLMode: "disable"}
	keepAll(t, c, p)
	for _, s := range contracts.Services {
		for _, name := range append(s.AllowedSecrets(), tokenSecret(s.Name, "dapr"), tokenSecret(s.Name, "app")) {
			if name != "stripe" && len(api.secrets[name].Data) == 0 {
				t.Errorf("%s needs the Secret %s, which was not made", s.Name, name)
			}
		}
	}
	if dsn := string(api.secrets["order-db"].Data["dsn"]); !strings.Contains(dsn, "@postgres:5432/order?sslmode=disable") {
		t.Errorf("order reaches its database by %s", dsn)
	}
	if conf := string(api.secrets["redis"].Data["redis.conf"]); !strings.Contains(conf, "user settings-order ") {
		t.Error("Redis' configuration does not name the readers of settings")
	}
	made := api.changes
	keepAll(t, c, p)
	if api.changes != made {
		t.Errorf("the second installation changed %d Secrets, want none", api.changes-made)
	}
}

// Another host changes how databases are reached, and no password. A key that is missing is added.
func TestAnUpgradeKeepsWhatIsSecret(t *testing.T) {
	api, c := newCluster(t)
	before := keepAll(t, c, Places{Postgres: "postgres:5432", SSLMode: "disable"})
	delete(api.secrets["order-callers"].Data, "cart")
	after := keepAll(t, c, Places{Postgres: "db.example.org:5432", SSLMode: "require"})
	if before.Store.DatabasePassword("order") != after.Store.DatabasePassword("order") {
		t.Error("the password of a database changed")
	}
	dsn := string(api.secrets["order-db"].Data["dsn"])
	if !strings.Contains(dsn, "@db.example.org:5432/order?sslmode=require") {
		t.Errorf("order reaches its database by %s", dsn)
	}
	if before.Own.AppTokens["order"] != after.Own.AppTokens["order"] {
		t.Error("a token changed")
	}
	if len(api.secrets["order-callers"].Data["cart"]) == 0 {
		t.Error("a key that was missing was not added")
	}
}

// A Secret that somebody else made stays as it is, and its database is theirs.
func TestForeignSecretsStay(t *testing.T) {
	api, c := newCluster(t)
	const dsn = "postgres://db.example.org/shop?user=theirs"
	foreign := Secret{Data: map[string][]byte{"dsn": []byte(dsn)}}
	foreign.Metadata.Name = "order-db"
	api.secrets["order-db"] = foreign
	m := keepAll(t, c, Places{Postgres: "postgres:5432", SSLMode: "disable"})
	if got := string(api.secrets["order-db"].Data["dsn"]); got != dsn {
		t.Errorf("the Secret of somebody else is %s now", got)
	}
	for _, name := range m.databases() {
		if name == "order" {
			t.Error("setup would make the role of a database that is not ours")
		}
	}
}

// What the API refuses is an error that says so.
func TestARefusalIsAnError(t *testing.T) {
	_, c := newCluster(t)
	c.token = "wrong"
	if _, err := Load(t.Context(), c); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("%v, want a refusal", err)
	}
}
