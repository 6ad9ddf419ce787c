package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	_ "golang.org/x/crypto/x509roots/fallback" // whom to trust in an image that has no such list
)

// Settings for reaching Redis. They have the names that Dapr's own Redis components use in their metadata.
const (
	redisHost     = "redisHost"     // host:port, or several of a cluster or of sentinels, separated by commas
	redisUsername = "redisUsername" // a user of Redis' access control list; empty: the default user
	redisPassword = "redisPassword"
	// node, cluster (also behind one address) or sentinel; empty: decided by the number of addresses
	redisType        = "redisType"
	sentinelMaster   = "sentinelMasterName"
	sentinelUsername = "sentinelUsername"
	sentinelPassword = "sentinelPassword"
	enableTLS        = "enableTLS"     // true or false
	tlsCA            = "tlsCA"         // a PEM file; empty: the system's authorities, or Mozilla's
	tlsServerName    = "tlsServerName" // the name that the certificate must have; empty: the host
	tlsClientCert    = "clientCert"    // PEM files, for servers that require client certificates
	tlsClientKey     = "clientKey"
)

// redisEnv names the environment variables of the same settings.
//
//nolint:gosec // names of variables, not what is in them
var redisEnv = map[string]string{
	redisHost: "REDISLUA_REDIS_ADDR", redisUsername: "REDISLUA_REDIS_USERNAME", redisPassword: "REDISLUA_REDIS_PASSWORD",
	redisType: "REDISLUA_REDIS_TYPE", sentinelMaster: "REDISLUA_REDIS_MASTER",
	sentinelUsername: "REDISLUA_SENTINEL_USERNAME", sentinelPassword: "REDISLUA_SENTINEL_PASSWORD",
	enableTLS: "REDISLUA_REDIS_TLS", tlsCA: "REDISLUA_REDIS_TLS_CA", tlsServerName: "REDISLUA_REDIS_TLS_SERVER_NAME",
	tlsClientCert: "REDISLUA_REDIS_TLS_CERT", tlsClientKey: "REDISLUA_REDIS_TLS_KEY",
}

// redisOptions turns the settings into client options that fail fast: a shopper gets a 503 with Retry-After soon
// instead of waiting long.
func redisOptions(get func(name string) string) (*redis.UniversalOptions, error) {
	kind, master := get(redisType), get(sentinelMaster)
	switch kind {
	case "", "node", "cluster", "sentinel":
	default:
		return nil, fmt.Errorf("redis type must be node, cluster or sentinel, got %q", kind)
	}
	if (kind == "sentinel") != (master != "") {
		return nil, fmt.Errorf("redis type %q with the master %q: sentinels need its name, others have none", kind, master)
	}
	var addrs []string
	for _, a := range strings.Split(get(redisHost), ",") {
		if _, _, err := net.SplitHostPort(strings.TrimSpace(a)); err != nil {
			return nil, fmt.Errorf("redis address %q: %w", a, err)
		}
		addrs = append(addrs, strings.TrimSpace(a))
	}
	secure, err := tlsConfig(get)
	if err != nil {
		return nil, err
	}
	return &redis.UniversalOptions{
		Addrs:            addrs,
		Username:         get(redisUsername),
		Password:         get(redisPassword),
		MasterName:       master,
		SentinelUsername: get(sentinelUsername),
		SentinelPassword: get(sentinelPassword),
		TLSConfig:        secure,
		IsClusterMode:    kind == "cluster",
		DialTimeout:      time.Second,
		ReadTimeout:      time.Second,
		WriteTimeout:     time.Second,
		PoolTimeout:      time.Second,
		// Every script may be repeated, so one retry on a new connection hides a Redis restart. More retries would only
		// lengthen the queue during an outage.
		MaxRetries: 1,
		PoolSize:   32,
	}, nil
}

// tlsConfig is nil without TLS. Certificates are always checked.
func tlsConfig(get func(name string) string) (*tls.Config, error) {
	on := false
	if text := get(enableTLS); text != "" {
		var err error
		if on, err = strconv.ParseBool(text); err != nil {
			return nil, fmt.Errorf("redis TLS must be true or false, got %q", text)
		}
	}
	if !on {
		for _, name := range []string{tlsCA, tlsServerName, tlsClientCert, tlsClientKey} {
			if get(name) != "" {
				return nil, fmt.Errorf("%s is set, but TLS is not on", name)
			}
		}
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: get(tlsServerName)}
	if file := get(tlsCA); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("redis TLS authorities: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("redis TLS authorities: %s has no certificate", file)
		}
	}
	if cert, key := get(tlsClientCert), get(tlsClientKey); cert != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("redis TLS client certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
