package keys

import (
	"slices"
	"strings"
	"time"
)

const day = 24 * time.Hour

// LeastArchiveAge is longer than events and inboxes are kept, so that records rarely come back from an archive.
const LeastArchiveAge = 60 * day

// The settings of all services.
var (
	Currency     = currency("mall.currency", "CNY", "the mall's one currency; set it before the first product")
	ArchiveAfter = Duration("mall.archive_after", "8760h", LeastArchiveAge, 100*365*day,
		"how old finished orders, bills, reservations and ledger entries are when they are archived")
	CatchUpEvery = Duration("mall.catch_up_every", "30s", time.Second, 5*time.Minute,
		"how often a service compares the feeds of others with the events it has")
	MaxConnections = Int("database.max_connections", "10", 2, 500,
		"connections of each replica of each service; PostgreSQL's own default is 100 in all")
	ConnectionLifetime = Duration("database.connection_lifetime", "1h", time.Minute, day,
		"after which a connection is closed")
	IdleTime = Duration("database.idle_time", "5m", time.Second, time.Hour,
		"after which a connection that nobody uses is closed")
)

// The settings of one service each.
var (
	PaymentTimeout = Duration("order.payment_timeout", "15m", time.Second, 30*day, "how long a shopper has to pay")
	CancelGrace    = Duration("order.cancel_grace", "15s", time.Second, time.Hour,
		"how long after that the order is cancelled; a charge under way may end")
	HoldTTL = Duration("product.hold_ttl", "1m", 5*time.Second, time.Hour,
		"how long a checkout may hold stock before its order is asked for")
	UploadsPerDay = Int("product.uploads_per_day", "500", 0, 1_000_000,
		"pictures that a seller may upload within 24 hours")
	ShippingFee      = Int("checkout.shipping_fee", "1000", 0, 1_000_000_000, "minor units of the currency")
	FreeShippingFrom = Int("checkout.free_shipping_from", "20000", 0, 1_000_000_000_000, "minor units of the currency")
	MaxOpenOrders    = Int("checkout.max_open_orders", "50", 0, 10_000, "unpaid orders of one shopper; 0: any number")
	MaxHeldUnits     = Int("checkout.max_held_units", "1000", 0, 1_000_000_000,
		"units of one product in a shopper's unpaid orders and running checkouts; 0: any number")
	AccessTTL = Duration("auth.access_ttl", "15m", time.Second, day,
		"how long an access token is good; for tokens issued from then on")
	RefreshTTL = Duration("auth.refresh_ttl", "168h", time.Minute, 90*day,
		"how long a refresh token is good; for tokens issued from then on")
	SessionTTL = Duration("auth.session_ttl", "720h", time.Minute, 365*day,
		"from sign-in to the end of a session, however often it is refreshed")
	KeyRotation = durationOrZero("auth.key_rotation", "2160h", day, 10*365*day,
		"how long a key signs access tokens before the next one does; 0s: until `keys rotate`")
	PaymentReturnURL = address("payment.return_url",
		"where a bank's page sends shoppers back to; without it Stripe.js asks on the shop's own page")
	PaymentProvider = oneOf("payment.provider", "who takes cards; stripe once its secret is set", "sandbox", "stripe")
	VerifyAtSignUp  = boolean("user.verify_at_sign_up", "false", "signing up sends a mail that verifies the email")
	MailLink        = address("user.mail_link", "page that mails lead to; without it a mail has the code alone")
)

// The gateway's settings are all required: it has no database to remember them.
var (
	GatewayPolicy  = text("gateway.policy", "Casbin CSV", "who may call what; empty: the gateway's own")
	RateAnonymous  = limit("gateway.rate.anonymous", "200/400", "requests of a client's address")
	RateUser       = limit("gateway.rate.user", "100/200", "requests of a signed-in user")
	RateSignIn     = limit("gateway.rate.signin", "10/60", "an address signing in or up, all replicas together")
	RateAccount    = limit("gateway.rate.account", "0.05/20", "failed sign-ins to an account from places unknown to it")
	RateDeclined   = limit("gateway.rate.declined", "0.05/10", "declined cards of a user")
	RateDeclinedAt = limit("gateway.rate.declined_address", "2/100", "declined cards from an address")
	RatePlace      = limit("gateway.rate.place", "0.05/10", "failed sign-ins to an account from one place")
	TrustedProxies = text("gateway.trusted_proxies", "networks or addresses, with commas",
		"whose X-Forwarded-For is believed")
	AllowedOrigins = text("gateway.allowed_origins", "origins, with commas",
		"whose pages may call the API from a browser and use the cookie of a session; besides the gateway's own")
	KeepFor = required(durationOrZero("gateway.keep_for", "1s", 50*time.Millisecond, 5*time.Second,
		"how long products, lists and categories are answered without asking; 0s: never"))
	MaxInFlight = required(Int("gateway.max_in_flight", "512", 1, 100_000,
		"requests under way; beyond it they get 503 at once"))
	MaxStreams = required(Int("gateway.max_streams", "4096", 0, 100_000,
		"event streams of orders that are open at a time; beyond it they get 503"))
)

// All lists every setting by its name.
func All() []Entry {
	all := []Entry{Currency.entry(), ArchiveAfter.entry(), CatchUpEvery.entry(), MaxConnections.entry(),
		ConnectionLifetime.entry(), IdleTime.entry(),
		PaymentTimeout.entry(), CancelGrace.entry(), HoldTTL.entry(), UploadsPerDay.entry(),
		ShippingFee.entry(), FreeShippingFrom.entry(),
		MaxOpenOrders.entry(), MaxHeldUnits.entry(),
		AccessTTL.entry(), RefreshTTL.entry(), SessionTTL.entry(), KeyRotation.entry(), PaymentReturnURL.entry(),
		PaymentProvider.entry(), VerifyAtSignUp.entry(), MailLink.entry(), GatewayPolicy.entry(), RateAnonymous.entry(),
		RateUser.entry(), RateSignIn.entry(), RateAccount.entry(), RatePlace.entry(), RateDeclined.entry(),
		RateDeclinedAt.entry(), TrustedProxies.entry(), AllowedOrigins.entry(),
		MaxInFlight.entry(), MaxStreams.entry(), KeepFor.entry()}
	slices.SortFunc(all, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Find returns the setting with a name.
func Find(name string) (Entry, bool) {
	for _, e := range All() {
		if e.Name == name {
			return e, true
		}
	}
	return Entry{}, false
}
