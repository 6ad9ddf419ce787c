package redis

import (
	"crypto/tls"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	_ "golang.org/x/crypto/x509roots/fallback" // whom to trust in an image that has no such list
)

// Client is the driver's.
type Client = redis.Client

// ErrNil is the error of a key that does not exist.
const ErrNil = redis.Nil

// quiet keeps the driver from writing to stderr what it returns as an error.
var quiet = sync.OnceFunc(logging.Disable)

// Open returns a client that connects when it is asked something, and says at once when nobody answers: who can wait
// does so with Wait. An empty password signs in nowhere.
func Open(addr, password string) *Client { return open(addr, password, nil) }

// OpenTLS is Open for a server that a public authority vouches for.
func OpenTLS(addr, password string) *Client {
	return open(addr, password, &tls.Config{MinVersion: tls.VersionTLS12})
}

func open(addr, password string, secure *tls.Config) *Client {
	quiet()
	return redis.NewClient(&redis.Options{Addr: addr, Password: password, DisableIdentity: true, TLSConfig: secure,
		MaxRetries: -1, DialerRetries: 1, DialTimeout: 3 * time.Second, ReadTimeout: 10 * time.Second})
}
