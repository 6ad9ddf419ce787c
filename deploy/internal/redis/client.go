package redis

import (
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
)

// Client is the driver's.
type Client = redis.Client

// ErrNil is the error of a key that does not exist.
const ErrNil = redis.Nil

// quiet keeps the driver from writing to stderr what it returns as an error.
var quiet = sync.OnceFunc(logging.Disable)

// Open returns a client that connects when it is asked something, and says at once when nobody answers: who can wait
// does so with Wait. An empty password signs in nowhere.
func Open(addr, password string) *Client {
	quiet()
	return redis.NewClient(&redis.Options{Addr: addr, Password: password, DisableIdentity: true,
		MaxRetries: -1, DialerRetries: 1, DialTimeout: 3 * time.Second, ReadTimeout: 10 * time.Second})
}
