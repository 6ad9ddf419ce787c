package sentry

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// The files that sentry reads.
const (
	rootFile   = "ca.crt"
	issuerFile = "issuer.crt"
	keyFile    = "issuer.key"
)

const (
	validFor = 10 * 365 * 24 * time.Hour
	// renewBefore the end a start makes new ones. Whoever starts a mall starts all its sidecars.
	renewBefore = 30 * 24 * time.Hour
)

// certificates makes root and issuer, unless there are some. Sentry would make its own, but only while it runs, for a
// year, and would restart itself because of the new files. The key of the root is not kept.
func certificates(dir string) error {
	until, err := validUntil(dir)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w. Delete %s: the next start makes new certificates", err, dir)
	case err == nil && time.Until(until) > renewBefore:
		return nil
	}
	rootKey, root, err := authority("mall", nil, nil)
	if err != nil {
		return err
	}
	issuerKey, issuer, err := authority("mall issuer", root, rootKey)
	if err != nil {
		return err
	}
	key, err := x509.MarshalPKCS8PrivateKey(issuerKey)
	if err != nil {
		return err
	}
	// The root is last: what was only half written is made anew.
	return errors.Join(os.RemoveAll(filepath.Join(dir, rootFile)), write(dir, keyFile, "PRIVATE KEY", key),
		write(dir, issuerFile, "CERTIFICATE", issuer.Raw), write(dir, rootFile, "CERTIFICATE", root.Raw))
}

// authority makes a certificate that may sign others, signed by its parent or, without one, by itself.
func authority(name string, parent *x509.Certificate, by ed25519.PrivateKey) (ed25519.PrivateKey, *x509.Certificate,
	error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	c := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name, Organization: []string{ownDomain}},
		NotBefore: now.Add(-15 * time.Minute), NotAfter: now.Add(validFor), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
	if parent == nil {
		parent, by = c, private
	}
	raw, err := x509.CreateCertificate(rand.Reader, c, parent, public, by)
	if err != nil {
		return nil, nil, err
	}
	c, err = x509.ParseCertificate(raw)
	return private, c, err
}

// validUntil reads what is there: an issuer with its key that the root has signed.
func validUntil(dir string) (time.Time, error) {
	root, err := os.ReadFile(filepath.Join(dir, rootFile))
	if err != nil {
		return time.Time{}, err
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, issuerFile), filepath.Join(dir, keyFile))
	if err != nil {
		return time.Time{}, fmt.Errorf("the issuer of certificates: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(root) {
		return time.Time{}, errors.New("the root certificate cannot be read")
	}
	// The time is judged by the caller, so that an old one is renewed.
	_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: pair.Leaf.NotBefore.Add(time.Hour),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		return time.Time{}, fmt.Errorf("the issuer of certificates: %w", err)
	}
	return pair.Leaf.NotAfter, nil
}

func write(dir, name, kind string, content []byte) error {
	return os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600)
}
