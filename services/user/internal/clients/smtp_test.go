package clients_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/kit/sidecar"
	"daprmall.dev/services/kit/sidecar/sidecartest"
	"daprmall.dev/services/user/internal/argon"
	"daprmall.dev/services/user/internal/clients"
	"daprmall.dev/services/user/internal/store"
	"daprmall.dev/services/user/internal/user"
)

var code = regexp.MustCompile(`<code>([^<]+)</code>`)

// The production component (components/smtp/mail.yaml) with its secret, in a real sidecar, sends the mail of a
// forgotten password to a real SMTP server, with STARTTLS, user and password. The code in the mail sets a new password.
func TestAPasswordIsResetByMailThroughAnSMTPServer(t *testing.T) {
	server := newMailServer(t)
	db := postgrestest.Open(t, outbox.Migrations, store.Migrations)
	users := user.NewService(user.Deps{Store: store.New(db, outbox.New(db, "user", nil, slog.New(slog.DiscardHandler))),
		Hasher: argon.New(),
		Weak:   func(string, string) bool { return false }, Forms: func(email string) []string { return []string{email} },
		Sessions:       noSessions{},
		Mailer:         clients.NewMailer(startSidecar(t, server)),
		MailLink:       func() string { return "https://mall.example/account" },
		VerifyAtSignUp: func() bool { return false }, IDs: fixedID{}, Log: slog.New(slog.DiscardHandler)})
	ctx := t.Context()
	if _, err := users.Register(ctx, "wei@mall.example", "an old pass phrase"); err != nil {
		t.Fatal(err)
	}
	if err := users.AskReset(ctx, "wei@mall.example"); err != nil {
		t.Fatal(err)
	}
	if err := users.SendMails(ctx); err != nil {
		t.Fatal(err)
	}
	if len(server.mails) != 1 {
		t.Fatalf("the server has %d mails", len(server.mails))
	}
	m := server.mails[0]
	if m.from != "mall@example.org" || m.to != "wei@mall.example" || m.subject != "Set a new password" || !m.encrypted ||
		m.user != "mall" {
		t.Errorf("a mail from %s to %s, %q, encrypted %v, sent by %q", m.from, m.to, m.subject, m.encrypted, m.user)
	}
	found := code.FindStringSubmatch(m.text)
	if found == nil || !strings.Contains(m.text, "https://mall.example/account/reset#"+found[1]) {
		t.Fatalf("the mail has no code, or no link with it:\n%s", m.text)
	}
	if err := users.ResetPassword(ctx, found[1], "a new pass phrase"); err != nil {
		t.Fatal(err)
	}
	if _, err := users.Verify(ctx, "wei@mall.example", "a new pass phrase"); err != nil {
		t.Errorf("the new password: %v", err)
	}
}

// Concurrent mails are sent one after the other and reach their own addresses. Dapr's SMTP binding writes a mail's
// address into metadata that all mails share (mergeWithRequestMetadata in components-contrib 1.18), so of two
// concurrent mails one could reach the other's address, with a code for somebody else's account.
func TestConcurrentMailsReachTheirOwnAddresses(t *testing.T) {
	server := newMailServer(t)
	mailer := clients.NewMailer(startSidecar(t, server))
	const mails = 50
	var wg sync.WaitGroup
	for i := range mails {
		wg.Go(func() {
			to := fmt.Sprintf("user-%d@mall.example", i)
			if err := mailer.Send(t.Context(), user.Mail{To: to, Subject: to, HTML: "<code>" + to + "</code>",
				Name: to}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(server.mails) != mails || server.most != 1 {
		t.Errorf("%d of %d mails arrived, up to %d at a time, want one", len(server.mails), mails, server.most)
	}
	for _, m := range server.mails {
		if said := code.FindStringSubmatch(m.text); said == nil || said[1] != m.to || m.subject != m.to {
			t.Errorf("%s received the mail %q with %v", m.to, m.subject, said)
		}
	}
}

type noSessions struct{}

func (noSessions) Revoke(context.Context, user.Snapshot) error { return nil }

type fixedID struct{}

func (fixedID) Next() (string, error) { return "1", nil }

// received is a mail as the server received it.
type received struct {
	from, to, subject, text string
	user                    string
	encrypted               bool
}

// mailServer is an SMTP server that accepts mail from authenticated clients over TLS only.
type mailServer struct {
	port  string
	roots string // a file with the certificate of the server's authority
	mu    sync.Mutex
	mails []received
	now   int // number of mails being received
	most  int // maximum of now
}

func newMailServer(t *testing.T) *mailServer {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &mailServer{port: strconv.Itoa(l.Addr().(*net.TCPAddr).Port), roots: filepath.Join(t.TempDir(), "roots.pem")}
	srv := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session,
		error) {
		return &mailSession{server: m, conn: c}, nil
	}))
	srv.Domain, srv.TLSConfig = "mail.example", &tls.Config{Certificates: []tls.Certificate{certificate(t, m.roots)},
		MinVersion: tls.VersionTLS12}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	return m
}

// certificate makes a self-signed certificate for 127.0.0.1 and writes it to the file roots.
func certificate(t *testing.T, roots string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true,
		BasicConstraintsValid: true,
		NotBefore:             time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, about, about, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

type mailSession struct {
	server *mailServer
	conn   *smtp.Conn
	mail   received
}

func (s *mailSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, name, password string) error {
		if name != "mall" || password != "only for tests" {
			return smtp.ErrAuthFailed
		}
		s.mail.user = name
		return nil
	}), nil
}

func (s *mailSession) Mail(from string, _ *smtp.MailOptions) error {
	if s.mail.user == "" {
		return smtp.ErrAuthRequired
	}
	_, s.mail.encrypted = s.conn.TLSConnectionState()
	s.mail.from = from
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.now++
	s.server.most = max(s.server.most, s.server.now)
	return nil
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if s.mail.to != "" {
		return errors.New("one mail has one address")
	}
	s.mail.to = to
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		return err
	}
	s.mail.text = string(text)
	if s.mail.subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil {
		return err
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.mails = append(s.server.mails, s.mail)
	s.server.now--
	return nil
}

func (s *mailSession) Reset() { s.mail = received{user: s.mail.user} }

func (s *mailSession) Logout() error { return nil }

// startSidecar starts user's sidecar with the production component for mail and its secret.
func startSidecar(t *testing.T, server *mailServer) *sidecar.Client {
	t.Helper()
	return sidecartest.Start(t, sidecartest.Sidecar{App: "user", Folder: "../../../../components",
		Components: []string{"smtp/mail.yaml"}, Env: []string{"SSL_CERT_FILE=" + server.roots},
		Secrets: map[string]map[string]string{"mail": {"host": "127.0.0.1", "port": server.port,
			"user": "mall", "password": "only for tests"}}})
}
