package sentry

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func prepared(t *testing.T, i Instance) (files map[string]string) {
	t.Helper()
	if err := i.Prepare([]string{"cart", "order"}); err != nil {
		t.Fatal(err)
	}
	files = map[string]string{}
	for _, name := range []string{rootFile, issuerFile, keyFile, "sentry.yaml", "tokens/cart", "tokens/order"} {
		info, err := os.Stat(filepath.Join(i.Dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("%s: %v, %v, want a file that only its owner reads", name, info, err)
		}
		text, err := os.ReadFile(filepath.Join(i.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(text)
	}
	return files
}

// Certificates are kept over starts, tokens are not. What is missing is made anew, what is damaged is an error.
func TestCertificatesAreKeptAndTokensAreNot(t *testing.T) {
	i := Instance{Dir: filepath.Join(t.TempDir(), Name)}
	first, second := prepared(t, i), prepared(t, i)
	for name := range first {
		kept := slices.Contains([]string{rootFile, issuerFile, keyFile}, name)
		if (first[name] == second[name]) != kept {
			t.Errorf("%s: the same after another start is %t, want %t", name, !kept, kept)
		}
	}
	if err := os.Remove(filepath.Join(i.Dir, issuerFile)); err != nil {
		t.Fatal(err)
	}
	if again := prepared(t, i); again[rootFile] == first[rootFile] || again[keyFile] == first[keyFile] {
		t.Error("the issuer was lost, and root or key was not made anew")
	}
	other := Instance{Dir: filepath.Join(t.TempDir(), Name)}
	if err := os.WriteFile(filepath.Join(i.Dir, rootFile), []byte(prepared(t, other)[rootFile]), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := i.Prepare(nil); err == nil || !strings.Contains(err.Error(), "Delete "+i.Dir) {
		t.Errorf("the root of another mall: %v, want an error with its cure", err)
	}
}

// Each token is for one app and is verified by the key in sentry's configuration.
func TestTokensAreSignedForOneApp(t *testing.T) {
	files := prepared(t, Instance{Dir: t.TempDir()})
	var configuration struct {
		Spec struct {
			MTLS struct {
				TokenValidators []struct {
					Name    string
					Options struct{ Source []byte }
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(files["sentry.yaml"]), &configuration); err != nil {
		t.Fatal(err)
	}
	validators := configuration.Spec.MTLS.TokenValidators
	var set struct{ Keys []struct{ Kid, X string } }
	if len(validators) != 1 || validators[0].Name != "jwks" ||
		json.Unmarshal(validators[0].Options.Source, &set) != nil || len(set.Keys) != 1 {
		t.Fatalf("the configuration has no key: %s", files["sentry.yaml"])
	}
	key, err := base64.RawURLEncoding.DecodeString(set.Keys[0].X)
	if err != nil {
		t.Fatal(err)
	}
	for _, app := range []string{"cart", "order"} {
		token := files["tokens/"+app]
		end := strings.LastIndex(token, ".")
		signature, err := base64.RawURLEncoding.DecodeString(token[end+1:])
		if err != nil || !ed25519.Verify(key, []byte(token[:end]), signature) {
			t.Errorf("the token of %s is not signed by the key: %v", app, err)
		}
		_, claims, _ := strings.Cut(token[:end], ".")
		text, err := base64.RawURLEncoding.DecodeString(claims)
		want := `{"aud":"spiffe://localhost/ns/default/dapr-sentry","sub":"spiffe://public/ns/default/` + app + `"}`
		if err != nil || string(text) != want {
			t.Errorf("the token of %s says %s, %v, want %s", app, text, err, want)
		}
	}
}
