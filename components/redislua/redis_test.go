package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	proto "github.com/dapr/dapr/pkg/proto/components/v1"
	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"daprmall.dev/redislua/internal/redistest"
)

// sale is every kind of call that product and the gateway make, in an order in which all succeed.
var sale = []struct{ operation, data, want string }{
	{"apply", `{"items":[{"product_id":"7","base":5,"version":1}]}`,
		`{"items":[{"product_id":"7","base":5,"version":1,"held":0}]}`},
	{"hold", `{"order_id":"1","ttl_ms":60000,"lines":[{"product_id":"7","quantity":3}]}`,
		`{"status":"held","shortages":[],"missing":[]}`},
	{"hold", `{"order_id":"2","ttl_ms":60000,"lines":[{"product_id":"7","quantity":3}]}`,
		`{"status":"sold_out","shortages":[{"product_id":"7","available":2}],"missing":[]}`},
	{"extend", `{"order_id":"1","ttl_ms":60000}`, `{"status":"extended"}`},
	{"held", `{"limit":10}`, `{"product_ids":["7"],"cursor":""}`},
	{"due", `{"limit":10}`, `{"holds":[]}`},
	{"unhold", `{"order_id":"1"}`, `{"status":"released"}`},
	{"lock", `{"key":"k","owner":"a","ttl_ms":1000}`, `{"acquired":true}`},
	{"limit", `{"key":"k","rate":1,"burst":1,"cost":1}`, `{"allowed":true,"retry_after_ms":0}`},
	{"inspect", `{"product_ids":["7"]}`, ""},
	{"run_id", `{}`, ""},
}

func sell(t *testing.T, conn *grpc.ClientConn) {
	t.Helper()
	for _, s := range sale {
		res, err := proto.NewOutputBindingClient(conn).Invoke(t.Context(),
			&proto.InvokeRequest{Operation: s.operation, Data: []byte(s.data)})
		if err != nil || s.want != "" && string(res.GetData()) != s.want {
			t.Errorf("%s %s: %s, %v, want %s", s.operation, s.data, res.GetData(), err, s.want)
		}
	}
}

// refused checks that nothing works and that the error does not blame the request.
func refused(t *testing.T, what string, conn *grpc.ClientConn) {
	t.Helper()
	_, err := proto.NewOutputBindingClient(conn).Invoke(t.Context(), &proto.InvokeRequest{Operation: "run_id"})
	if status.Code(err) != codes.Unavailable {
		t.Errorf("%s: %v, want Unavailable", what, err)
	}
}

// rights are the Redis permissions that README.md lists.
const rights = "~mall:{mall}:* +@read +@write +@scripting -@dangerous +time +info +ping +hello +client|setinfo"

// A Redis user with the permissions listed in README.md, and no others, is enough.
func TestAUserWithFewRights(t *testing.T) {
	addr, _ := redistest.Server(t, append([]string{"--user", "default", "off", "--user", "mall", "on", ">secret"},
		strings.Fields(rights)...)...)
	wait := func(conn *grpc.ClientConn) {
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
			if _, err := proto.NewOutputBindingClient(conn).Invoke(t.Context(),
				&proto.InvokeRequest{Operation: "held", Data: []byte(`{"limit":1}`)}); err == nil {
				return
			}
		}
	}
	conn, _ := component(t, addr, "REDISLUA_REDIS_USERNAME=mall", "REDISLUA_REDIS_PASSWORD=secret")
	wait(conn)
	sell(t, conn)
	wrong, _ := component(t, addr, "REDISLUA_REDIS_USERNAME=mall", "REDISLUA_REDIS_PASSWORD=guess")
	refused(t, "a wrong password", wrong)
	nobody, _ := component(t, addr)
	refused(t, "no user", nobody)
}

// The component finds a cluster through one of its nodes. All keys are in one slot, on whichever node owns it.
func TestAClusterOfThree(t *testing.T) {
	conn, _ := component(t, redistest.OpenClusterOf(t, 3), "REDISLUA_REDIS_TYPE=cluster")
	sell(t, conn)
}

// When the master dies and sentinels choose another, the component follows without a restart.
func TestSentinelsFailOver(t *testing.T) {
	master, kill := redistest.Server(t)
	replica, _ := redistest.Server(t)
	_, port, _ := net.SplitHostPort(master)
	for _, addr := range []string{master, replica} {
		rdb := redis.NewClient(&redis.Options{Addr: addr})
		t.Cleanup(func() { _ = rdb.Close() })
		until(t, addr+" answers", func() error { return rdb.Ping(t.Context()).Err() })
		if addr == replica {
			if err := rdb.ReplicaOf(t.Context(), "127.0.0.1", port).Err(); err != nil {
				t.Fatal(err)
			}
			until(t, "the replica follows", func() error {
				role, err := rdb.Do(t.Context(), "ROLE").Slice()
				if err == nil && (len(role) < 4 || role[3] != "connected") {
					err = fmt.Errorf("its role is %v", role)
				}
				return err
			})
		}
	}
	conf := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("sentinel monitor mall 127.0.0.1 %s 1\nsentinel down-after-milliseconds mall 300\nsentinel "+
		"failover-timeout mall 3000\n", port)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sentinel, _ := redistest.Sentinel(t, conf)
	watch := redis.NewSentinelClient(&redis.Options{Addr: sentinel})
	t.Cleanup(func() { _ = watch.Close() })
	until(t, "the sentinel knows the replica", func() error {
		list, err := watch.Replicas(t.Context(), "mall").Result()
		if err == nil && len(list) == 0 {
			err = fmt.Errorf("it knows none")
		}
		return err
	})
	conn, _ := component(t, sentinel, "REDISLUA_REDIS_TYPE=sentinel", "REDISLUA_REDIS_MASTER=mall")
	sell(t, conn)
	before := runID(t, conn)
	kill()
	until(t, "another master is used", func() error {
		_, err := proto.NewOutputBindingClient(conn).Invoke(t.Context(),
			&proto.InvokeRequest{Operation: "lock", Data: []byte(`{"key":"after","owner":"a","ttl_ms":60000}`)})
		return err
	})
	if after := runID(t, conn); after == before {
		t.Errorf("the run id is still %s after a failover: product would not notice that Redis lost data", after)
	}
}

func runID(t *testing.T, conn *grpc.ClientConn) string {
	t.Helper()
	res, err := proto.NewOutputBindingClient(conn).Invoke(t.Context(), &proto.InvokeRequest{Operation: "run_id"})
	if err != nil {
		t.Fatal(err)
	}
	return string(res.GetData())
}

func until(t *testing.T, what string, done func() error) {
	t.Helper()
	end := time.Now().Add(40 * time.Second)
	for ; ; time.Sleep(50 * time.Millisecond) { //nolint:forbidigo // a poll with an end
		err := done()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not in time: %s: %v", what, err)
		}
	}
}

// With TLS the component checks the server's certificate and does not use a server that it cannot verify. TLS is tested
// in Redis itself and in a proxy in front of it, because not every build of Redis has TLS.
func TestRedisOverTLS(t *testing.T) {
	for who, serve := range map[string]func(t *testing.T) (caFile, addr string){
		"in front of Redis": func(t *testing.T) (string, string) {
			t.Helper()
			return overTLS(t, redistest.Addr(t))
		},
		"by Redis itself": func(t *testing.T) (string, string) {
			t.Helper()
			cert, keyFile := certificate(t)
			return cert, redistest.TLS(t, cert, keyFile)
		},
	} {
		t.Run(who, func(t *testing.T) {
			ca, addr := serve(t)
			conn, _ := component(t, addr, "REDISLUA_REDIS_TLS=true", "REDISLUA_REDIS_TLS_CA="+ca)
			if _, err := proto.NewOutputBindingClient(conn).Invoke(t.Context(),
				&proto.InvokeRequest{Operation: "run_id"}); err != nil {
				t.Errorf("with its authority: %v", err)
			}
			for what, vars := range map[string][]string{
				"an unknown authority": {"REDISLUA_REDIS_TLS=true"},
				"another name": {"REDISLUA_REDIS_TLS=true", "REDISLUA_REDIS_TLS_CA=" + ca,
					"REDISLUA_REDIS_TLS_SERVER_NAME=redis.example"},
				"no TLS": {},
			} {
				conn, _ := component(t, addr, vars...)
				refused(t, what, conn)
			}
		})
	}
}

// certificate makes a certificate for 127.0.0.1 that is its own authority.
func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour),
		NotAfter:  time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, content []byte) string {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", private)
}

// overTLS serves the server at addr over TLS, with a self-signed certificate for 127.0.0.1.
func overTLS(t *testing.T, addr string) (caFile, at string) {
	t.Helper()
	caFile, keyFile := certificate(t)
	pair, err := tls.LoadX509KeyPair(caFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair},
		MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			front, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer front.Close() //nolint:errcheck // either side may have ended it
				back, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
				if err != nil {
					return
				}
				defer back.Close() //nolint:errcheck // either side may have ended it
				go func() { _, _ = io.Copy(front, back); _ = front.Close() }()
				_, _ = io.Copy(back, front)
			}()
		}
	}()
	return caFile, l.Addr().String()
}
