package source

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/ulikunitz/xz"
)

const (
	embeddedPostgresVersion = "18.6.0"
	embeddedPostgresMajor   = 18
	embeddedRedisJar        = "1.4.4"
	maven                   = "https://repo1.maven.org/maven2/"
	redisJar                = maven + "com/github/codemonstur/embedded-redis/" + embeddedRedisJar + "/embedded-redis-" + embeddedRedisJar + ".jar"
)

// platform is what Maven Central holds for one kind of machine. The sums were taken
// once, by hand: what is fetched later must be the same bytes.
type platform struct {
	postgres, postgresSum string
	redis                 string // the file inside the one Redis jar
}

const redisSum = "b56845f0a81aa0b6a0c32a309e69081ee7bdeadba9efff6374b0fe9af230db63"

var platforms = map[string]platform{
	"linux/amd64":  {"linux-amd64", "008ee189eaa7ca2b58bd01dd950291e638b998392cf982297acd4779ec898ac1", "redis-server-6.2.6-v5-linux-amd64"},
	"linux/arm64":  {"linux-arm64v8", "5f54e016723afa6213925a8acb939bac52944b1d348f65c7a20f0cd2928c31be", "redis-server-6.2.7-linux-arm64"},
	"darwin/amd64": {"darwin-amd64", "690941008aac9ee360820fde9bb7870a4f3dcac5e9e2f9e45e42333a436ad0f9", "redis-server-6.2.6-v5-darwin-amd64"},
	"darwin/arm64": {"darwin-arm64v8", "8f6ed6f38195b50a40712ada8b2a12060b6193c1a6977a6eb5cff053bb5a1b89", "redis-server-6.2.6-v5-darwin-arm64"},
}

func here() (platform, error) {
	p, ok := platforms[runtime.GOOS+"/"+runtime.GOARCH]
	if !ok {
		return p, fmt.Errorf("none for %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	return p, nil
}

// postgresIn and redisIn say where the embedded programs lie once they have been fetched.
func postgresIn(cache string) Found {
	return Found{Path: filepath.Join(cache, "postgres-"+embeddedPostgresVersion, "bin"), Version: embeddedPostgresVersion, From: Embedded}
}

func redisIn(cache string) string {
	return filepath.Join(cache, "redis-"+embeddedRedisJar, "redis-server")
}

func postgresJar(p platform) string {
	artifact := "embedded-postgres-binaries-" + p.postgres
	return maven + "io/zonky/test/postgres/" + artifact + "/" + embeddedPostgresVersion + "/" + artifact + "-" + embeddedPostgresVersion + ".jar"
}

// embeddedReads says why not, if data were written by another version.
func embeddedReads(major int) error {
	if major != 0 && major != embeddedPostgresMajor {
		return fmt.Errorf("is version %d, the data were written by %d", embeddedPostgresMajor, major)
	}
	return nil
}

// toFetch asks for the very file: the repository's front page may be refused where its files are not.
func toFetch(ctx context.Context, url string) (Found, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return Found{}, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return Found{}, fmt.Errorf("cannot reach Maven Central: %w", err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return Found{}, fmt.Errorf("%s is not to be had from Maven Central: %s", path.Base(url), resp.Status)
	}
	return Found{From: "will be fetched from Maven Central by the first up"}, nil
}

func embeddedPostgres(ctx context.Context, cache string, note func(string, ...any)) (Found, error) {
	p, err := here()
	if err != nil {
		return Found{}, err
	}
	found := postgresIn(cache)
	err = once(filepath.Dir(found.Path), func(tmp string) error {
		jar, err := fetch(ctx, postgresJar(p), p.postgresSum, note)
		if err != nil {
			return err
		}
		for _, f := range jar.File {
			if strings.HasSuffix(f.Name, ".txz") {
				note("unpacking PostgreSQL %s", embeddedPostgresVersion)
				return unpackFile(f, tmp)
			}
		}
		return errors.New("no archive inside the jar")
	})
	return found, err
}

func embeddedRedis(ctx context.Context, cache string, note func(string, ...any)) (Found, error) {
	p, err := here()
	if err != nil {
		return Found{}, err
	}
	binary := redisIn(cache)
	err = once(filepath.Dir(binary), func(tmp string) error {
		jar, err := fetch(ctx, redisJar, redisSum, note)
		if err != nil {
			return err
		}
		r, err := jar.Open(p.redis)
		if err != nil {
			return err
		}
		defer r.Close() //nolint:errcheck // read only
		return writeFile(filepath.Join(tmp, "redis-server"), r, 0o755)
	})
	if err != nil {
		return Found{}, err
	}
	version, err := versionOf(ctx, binary, "--version")
	return Found{Path: binary, Version: version, From: Embedded}, err
}

// once fills a directory next to its final place and moves it there whole: another mall
// that starts at the same time, or a crash, never sees half of it.
func once(dir string, fill func(tmp string) error) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+".tmp-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp) //nolint:errcheck // gone already when all went well
	// The servers run as another user when the mall is started by root.
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	if err := fill(tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, dir); err != nil {
		if _, there := os.Stat(dir); there == nil {
			return nil
		}
		return err
	}
	return nil
}

// fetch reads an archive whole and checks its sum before anything in it is used.
func fetch(ctx context.Context, url, sum string, note func(string, ...any)) (*zip.Reader, error) {
	note("fetching %s", path.Base(url))
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, resp.Status)
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 200<<20))
	if err != nil {
		return nil, err
	}
	got := sha256.Sum256(raw)
	if hex.EncodeToString(got[:]) != sum {
		return nil, fmt.Errorf("%s: sum is %x, want %s", url, got, sum)
	}
	return zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
}

func unpackFile(f *zip.File, dir string) error {
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // read only
	x, err := xz.NewReader(bufio.NewReaderSize(r, 1<<20))
	if err != nil {
		return err
	}
	return unpack(tar.NewReader(x), dir)
}

// unpack writes an archive's files; os.Root keeps every name and link inside the directory.
func unpack(t *tar.Reader, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // a directory
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := path.Clean(h.Name)
		if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
		switch h.Typeflag {
		case tar.TypeDir:
			err = root.MkdirAll(name, 0o755)
		case tar.TypeSymlink:
			err = root.Symlink(h.Linkname, name)
		case tar.TypeReg:
			err = copyOut(root, name, t, h.FileInfo().Mode().Perm()|0o044)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
}

func copyOut(root *os.Root, name string, r io.Reader, mode os.FileMode) error {
	f, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, r); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

func writeFile(path string, r io.Reader, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, r); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
