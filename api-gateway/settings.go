package main

import (
	"net/netip"
	"time"

	"daprmall.dev/api-gateway/internal/access"
	"daprmall.dev/api-gateway/internal/edge"
	"daprmall.dev/api-gateway/internal/limit"
	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/config/keys"
)

// settings come from the configuration store and may change while the gateway runs. An invalid value is rejected and
// logged, and the last good one stays. All are required: the gateway has no database to remember them, so it serves
// nobody until it has read them.
type settings struct {
	policy      func() *access.Policy  // gateway.policy: Casbin's CSV format
	anonymous   func() limit.RateLimit // gateway.rate.anonymous: a client's address
	user        func() limit.RateLimit // gateway.rate.user
	signIn      func() limit.RateLimit // gateway.rate.signin: an address signing in or up, all replicas together
	account     func() limit.RateLimit // gateway.rate.account: failed sign-ins to an account from places unknown to it
	place       func() limit.RateLimit // gateway.rate.place: failed sign-ins to an account from one place
	declined    func() limit.RateLimit // gateway.rate.declined: declined cards of a user
	declinedAt  func() limit.RateLimit // gateway.rate.declined_address: declined cards from an address
	proxies     func() []netip.Prefix  // gateway.trusted_proxies: networks whose X-Forwarded-For is trusted
	origins     func() *edge.Origins   // gateway.allowed_origins: whose pages may call from a browser
	keepFor     func() time.Duration   // gateway.keep_for: how long answers for everybody are good
	maxStreams  func() int64           // gateway.max_streams: event streams of orders
	maxInFlight func() int64           // gateway.max_in_flight: beyond it requests get 503 at once
}

// declareSettings declares the settings; policyRefused is called for each policy that is not valid.
func declareSettings(live *config.Live, policyRefused func()) (settings, error) {
	defaultPolicy, err := access.NewPolicy(access.DefaultPolicy, routeKeys())
	if err != nil {
		return settings{}, err
	}
	noOrigins, err := edge.ParseOrigins("")
	if err != nil {
		return settings{}, err
	}
	return settings{
		policy: config.Setting(live, keys.GatewayPolicy.Name, defaultPolicy, func(text string) (*access.Policy, error) {
			p, err := access.NewPolicy(text, routeKeys())
			if err != nil {
				policyRefused()
			}
			return p, err
		}, config.Required),
		anonymous:   config.Of(live, keys.RateAnonymous),
		user:        config.Of(live, keys.RateUser),
		signIn:      config.Of(live, keys.RateSignIn),
		account:     config.Of(live, keys.RateAccount),
		place:       config.Of(live, keys.RatePlace),
		declined:    config.Of(live, keys.RateDeclined),
		declinedAt:  config.Of(live, keys.RateDeclinedAt),
		proxies:     config.Setting(live, keys.TrustedProxies.Name, nil, edge.ParseProxies, config.Required),
		origins:     config.Setting(live, keys.AllowedOrigins.Name, noOrigins, edge.ParseOrigins, config.Required),
		keepFor:     config.Of(live, keys.KeepFor),
		maxStreams:  config.Of(live, keys.MaxStreams),
		maxInFlight: config.Of(live, keys.MaxInFlight),
	}, nil
}

// openFor bounds how long a start waits for its sidecar: processes start in any order.
const openFor = 90 * time.Second

// settingsWithin is how long the first read of the configuration store is retried five times a second. After that it is
// retried every few seconds.
const settingsWithin = 10 * time.Second
