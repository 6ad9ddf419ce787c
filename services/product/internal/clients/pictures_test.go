package clients

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // as OSS signs
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rclone/gofakes3"
	"github.com/rclone/gofakes3/s3mem"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/sidecar/sidecartest"
	"daprmall.dev/services/product/internal/catalog"
)

const accessKey, secretKey = "mall", "only for tests"

// The production components for pictures, with their secret, in a real sidecar: a missing picture is told apart from a
// bucket that refuses or does not answer, and a picture comes back as it was written.
func TestPicturesInABucket(t *testing.T) {
	for store, components := range map[string][]string{
		"S3": {"s3/pictures.yaml"}, "OSS": {"oss/pictures.yaml", "oss/pictures-read.yaml"},
	} {
		t.Run(store, func(t *testing.T) {
			bucket := newBucket(t, store == "OSS")
			pictures := NewPictures(sidecartest.Start(t, sidecartest.Sidecar{App: "product", Folder: "../../../../components",
				Components: components, Env: []string{"SSL_CERT_FILE=" + bucket.root},
				Secrets: map[string]map[string]string{"pictures": {"endpoint": bucket.server.URL,
					"read_endpoint": bucket.server.URL, "region": "cn-hangzhou", "bucket": "pictures",
					"access_key": accessKey, "secret_key": secretKey}}}))
			pic := catalog.PictureFile{Name: "0123",
				Content: append([]byte("\xff\xd8"), bytes.Repeat([]byte("\x00\"\r\n"), 1e5)...)}
			if _, err := pictures.Read(t.Context(), pic.Name); !errors.Is(err, catalog.ErrNoPicture) {
				t.Fatalf("a picture that nobody wrote: %v", err)
			}
			for range 2 {
				if err := pictures.Write(t.Context(), pic); err != nil {
					t.Fatal(err)
				}
			}
			got, err := pictures.Read(t.Context(), pic.Name)
			if err != nil || !bytes.Equal(got.Content, pic.Content) {
				t.Errorf("%d bytes came back as %d, %v", len(pic.Content), len(got.Content), err)
			}
			bucket.s3.AddAuthKeys(map[string]string{"another": "key"}) // without any key it verifies nothing
			bucket.s3.DelAuthKeys([]string{accessKey})
			for what, name := range map[string]string{"a picture": pic.Name, "a missing picture": "4567"} {
				if _, err := pictures.Read(t.Context(), name); problem.KindOf(err) != problem.Unavailable {
					t.Errorf("%s from a bucket that refuses the key: %v", what, err)
				}
			}
			bucket.server.Close()
			if err := pictures.Write(t.Context(), pic); problem.KindOf(err) != problem.Unavailable {
				t.Errorf("written to a server that is gone: %v", err)
			}
		})
	}
}

// bucket is a bucket behind TLS, as in production. The server speaks the protocol of S3 and verifies signatures.
type bucket struct {
	s3     *gofakes3.GoFakeS3
	server *httptest.Server
	root   string // a file with its certificate
}

func newBucket(t *testing.T, oss bool) *bucket {
	t.Helper()
	files := s3mem.New()
	if err := files.CreateBucket(t.Context(), "pictures"); err != nil {
		t.Fatal(err)
	}
	b := &bucket{s3: gofakes3.New(files, gofakes3.WithV4Auth(map[string]string{accessKey: secretKey}))}
	serve := b.s3.Server()
	if oss {
		serve = alibaba(files, serve)
	}
	b.server = httptest.NewTLSServer(serve)
	t.Cleanup(b.server.Close)
	b.root = filepath.Join(t.TempDir(), "root.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.server.Certificate().Raw})
	if err := os.WriteFile(b.root, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	return b
}

// alibaba makes a server of S3 answer as Alibaba OSS does, as far as the mall uses it. An upload has OSS's own
// signature (help.aliyun.com, "Include signatures in the Authorization header"); one of S3 in chunks with a checksum
// after them is refused ("aws-chunked encoding is not supported with the specified x-amz-content-sha256 value",
// 0017-00000804).
func alibaba(files *s3mem.Backend, s3 http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bucket, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		switch {
		case r.Method != http.MethodPut:
			s3.ServeHTTP(w, r)
		case r.Header.Get("Authorization") == "OSS "+accessKey+":"+ossSignature(r):
			if _, err := files.PutObject(r.Context(), bucket, name, nil, r.Body, r.ContentLength); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		case r.Header.Get("Content-Encoding") == "aws-chunked":
			http.Error(w, "<Error><Code>InvalidArgument</Code></Error>", http.StatusBadRequest)
		default:
			http.Error(w, "<Error><Code>SignatureDoesNotMatch</Code></Error>", http.StatusForbidden)
		}
	})
}

// ossSignature needs no header of OSS's own: bindings.alicloud.oss sends none.
func ossSignature(r *http.Request) string {
	h := hmac.New(sha1.New, []byte(secretKey))
	h.Write([]byte(strings.Join([]string{r.Method, r.Header.Get("Content-MD5"), r.Header.Get("Content-Type"),
		r.Header.Get("Date"), r.URL.Path}, "\n")))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}
