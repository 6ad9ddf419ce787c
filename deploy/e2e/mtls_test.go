//go:build e2e

package e2e

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	sentry "github.com/dapr/dapr/pkg/proto/sentry/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"daprmall.dev/deploy/internal/proc"
)

// mtls is whether the mall under test has mTLS, as its runner reads it.
var mtls, _ = strconv.ParseBool(os.Getenv("MALL_MTLS"))

func needsMTLS(t *testing.T) {
	t.Helper()
	if _, runs := status(t)["sentry"]; runs != mtls {
		t.Fatalf("MALL_MTLS=%s, and that sentry runs is %t", os.Getenv("MALL_MTLS"), runs)
	}
	if !mtls {
		t.Skip("without mTLS: MALL_MTLS=1")
	}
}

// sentryToken is what the sidecar of an app shows to sentry.
func sentryToken(t *testing.T, app string) string {
	t.Helper()
	text, err := os.ReadFile(home("sentry", "tokens", app))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// roots verifies a certificate of the mall; these have no host names.
func roots(t *testing.T) func(tls.ConnectionState) error {
	t.Helper()
	text, err := os.ReadFile(home("sentry", "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return func(s tls.ConnectionState) error {
		between := x509.NewCertPool()
		for _, c := range s.PeerCertificates[1:] {
			between.AddCert(c)
		}
		_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: pool, Intermediates: between,
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
		return err
	}
}

func tlsOption(t *testing.T, own ...tls.Certificate) grpc.DialOption {
	t.Helper()
	return grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{Certificates: own,
		InsecureSkipVerify: true, VerifyConnection: roots(t)})) //nolint:gosec // VerifyConnection does it
}

// certificate asks sentry for the certificate of an app.
func certificate(t *testing.T, id, token string,
	validator sentry.SignCertificateRequest_TokenValidator) (tls.Certificate, error) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(fmt.Sprintf("127.0.0.1:%d", status(t)["sentry"].Port), tlsOption(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // all is said
	ctx, cancel := context.WithTimeout(t.Context(), waitFor)
	defer cancel()
	res, err := sentry.NewCAClient(conn).SignCertificate(ctx, &sentry.SignCertificateRequest{Id: id, Token: token,
		TokenValidator: validator, Namespace: "default",
		CertificateSigningRequest: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr})})
	if err != nil {
		return tls.Certificate{}, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.X509KeyPair(res.GetWorkloadCertificate(),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}

// Sentry gives a certificate only in the name of the app whose token it is shown.
func TestACertificateNeedsTheTokenOfItsApp(t *testing.T) {
	needsMTLS(t)
	own := sentryToken(t, "checkout")
	for what, c := range map[string]struct {
		id, token string
		validator sentry.SignCertificateRequest_TokenValidator
	}{
		"no token":                {"checkout", "", sentry.SignCertificateRequest_JWKS},
		"no token, no validator":  {"checkout", "", sentry.SignCertificateRequest_UNKNOWN},
		"the insecure validator":  {"checkout", own, sentry.SignCertificateRequest_INSECURE},
		"another app's token":     {"checkout", sentryToken(t, "cart"), sentry.SignCertificateRequest_JWKS},
		"a token without its end": {"checkout", own[:strings.LastIndex(own, ".")+1], sentry.SignCertificateRequest_JWKS},
		"sentry's own name":       {"dapr-sentry", own, sentry.SignCertificateRequest_JWKS},
	} {
		if got, err := certificate(t, c.id, c.token, c.validator); err == nil {
			t.Errorf("%s: got a certificate for %v", what, got.Leaf.URIs)
		}
	}
	got, err := certificate(t, "checkout", own, sentry.SignCertificateRequest_JWKS)
	if err != nil || len(got.Leaf.URIs) != 1 || got.Leaf.URIs[0].String() != "spiffe://public/ns/default/checkout" {
		t.Errorf("with its own token: %v, want a certificate for checkout", errors.Join(err, fmt.Errorf("%v", got.Leaf)))
	}
}

// Sidecars that run need no sentry: shoppers buy while it hangs. A sidecar that is to start waits for it.
func TestARestartedSidecarWaitsForSentry(t *testing.T) {
	needsMTLS(t)
	pid := status(t)["sentry"].PID
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	resume := func() { _ = syscall.Kill(pid, syscall.SIGCONT) }
	t.Cleanup(resume)
	restarted := make(chan error, 1)
	go func() {
		_, err := mall(t.Context(), "restart", "cart-daprd")
		restarted <- err
	}()
	running := func() bool {
		r, err := proc.Read(home("run"), "cart-daprd")
		return err != nil || r.Alive()
	}
	err := eventually(t.Context(), waitFor, func() error {
		if running() {
			return errors.New("the sidecar still runs")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	me, address := shopper(t)
	p := product(t, "Certified tea", 900, 5)
	order(t, me, address, p.ID, 1)
	if running() {
		t.Error("a sidecar started while sentry hangs")
	}
	resume()
	if err := <-restarted; err != nil {
		t.Error(err)
	}
	err = eventually(t.Context(), waitFor, func() error {
		return me.Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/cart", nil, nil)
	})
	if err != nil {
		t.Error(err)
	}
}
