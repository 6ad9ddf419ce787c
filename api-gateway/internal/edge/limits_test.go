package edge_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"daprmall.dev/api-gateway/internal/edge"
	"daprmall.dev/api-gateway/internal/limit"
	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/problem"
	"github.com/golang-jwt/jwt/v5"
)

func TestAddressesAndUsersAreRateLimited(t *testing.T) {
	m := open(t, func(m *mall) { m.speeds.address = limit.RateLimit{PerSecond: .1, Burst: 2} })
	m.do("GET", "/v1/products", "").want(t, "first", 200, "")
	m.do("GET", "/v1/products", "", "X-Forwarded-For: 1.2.3.4").want(t, "second", 200, "")
	res := m.do("GET", "/v1/products", "", "X-Forwarded-For: 1.2.3.5")
	res.want(t, "third from one address, whatever X-Forwarded-For says", 429, "too_many_requests")
	if s := res.Header.Get("Retry-After"); s != "10" && s != "9" {
		t.Errorf("Retry-After %q, want about 10", s)
	}
	m.do("GET", "/v1/cart", "", "Authorization: Bearer guess").want(t, "a guessed token from that address", 429,
		"too_many_requests")
	m.signed("GET", "/v1/cart", "").want(t, "a user from that address", 200, "")

	m.speeds.user = limit.RateLimit{PerSecond: .1, Burst: 1}
	m.signed("GET", "/v1/cart", "").want(t, "the limit of users took effect while running", 200, "")
	m.signed("GET", "/v1/cart", "").want(t, "one more request of that user", 429, "too_many_requests")

	m.proxies, _ = edge.ParseProxies("127.0.0.0/8, ::1, 10.0.0.0/8")
	m.do("GET", "/v1/products", "", "X-Forwarded-For: 1.2.3.4, 10.1.1.1").want(t,
		"through a trusted proxy: another client", 200, "")
}

func TestSignInIsLimitedForAllReplicas(t *testing.T) {
	var asked []string
	verdict, status := `{"allowed":true,"place":"a:x"}`, 201
	m := open(t, func(m *mall) {
		m.limits = func(_ context.Context, op string, in, out any) error {
			b, _ := json.Marshal(in)
			asked = append(asked, op+" "+string(b))
			if verdict == "down" {
				return errors.New("binding down")
			}
			if out == nil {
				return nil
			}
			return json.Unmarshal([]byte(verdict), out)
		}
		m.answer = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", problem.ContentType)
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, `{"status":%d,"code":"x","trace_id":"%032d"}`, status, 0)
		}
	})
	try := func(headers ...string) reply {
		asked = nil
		return m.do("POST", "/v1/sessions", `{"email":" Wei@Example.org","password":"x"}`, headers...)
	}
	saw := func(what string, want ...string) {
		t.Helper()
		got := strings.Join(asked, "\n")
		if len(asked) != len(want) || strings.Contains(strings.ToLower(got), "wei@") {
			t.Errorf("%s: the binding was asked %s, want %v, without the email", what, got, want)
			return
		}
		for i := range want {
			if !strings.HasPrefix(asked[i], want[i]) {
				t.Errorf("%s: the binding was asked %s, want %v", what, asked[i], want[i])
			}
		}
	}
	first := try()
	first.want(t, "the right password", 201, "")
	if saw("the right password", "attempt", "settle"); len(asked) == 2 && !strings.Contains(asked[1], `"signed_in":true`) {
		t.Errorf("settled %s, want signed_in true", asked[1])
	}
	cookies := first.Cookies()
	if len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteStrictMode ||
		len(cookies[0].Value) < 22 {
		t.Fatalf("cookies %v, want one with a device id", cookies)
	}
	if res := try("Cookie: " + cookies[0].Name + "=" + cookies[0].Value); len(res.Cookies()) != 0 ||
		strings.Contains(asked[0], cookies[0].Value) ||
		strings.Contains(asked[0], `"device":""`) {
		t.Errorf("with a device id: new cookies %v, asked %s", res.Cookies(), asked[0])
	}
	if m.seen[len(m.seen)-1].Header.Get("Cookie") != "" {
		t.Error("the device id was forwarded to a service")
	}
	status = 401
	try().want(t, "a wrong password", 401, "x")
	saw("a wrong password", "attempt")
	status = 503
	try().want(t, "no verdict", 503, "x")
	if saw("no verdict", "attempt", "settle"); len(asked) == 2 && !strings.Contains(asked[1], `"signed_in":false`) {
		t.Errorf("settled %s, want signed_in false", asked[1])
	}
	asked, status = nil, 201
	m.do("POST", "/v1/users", `{"email":"wei@example.org","password":"x"}`).want(t, "sign-up", 201, "")
	saw("sign-up", "limit", "settle")
	asked = nil
	m.do("POST", "/v1/sessions", `{"password":"x"}`).want(t, "no email", 201, "")
	saw("no email", "limit")
	verdict = `{"allowed":false,"retry_after_ms":2500}`
	seen := len(m.seen)
	res := try()
	res.want(t, "tried too often", 429, "too_many_requests")
	if res.Header.Get("Retry-After") != "3" || len(m.seen) != seen {
		t.Errorf("Retry-After %q, want 3; %d forwarded", res.Header.Get("Retry-After"), len(m.seen)-seen)
	}
	asked = nil
	m.do("POST", "/v1/sessions/refresh", `{"refresh_token":"x"}`).want(t, "refresh is no sign-in", 201, "")
	saw("refresh is no sign-in")
	verdict = "down"
	try().want(t, "Redis down", 201, "")
	if !strings.Contains(m.metrics(), "mall_gateway_signin_limit_unavailable_total 1") {
		t.Error("sign-ins without a limit are not counted")
	}
}

// The user service takes all these for one account, so their failed sign-ins count together.
func TestSpellingsOfAnEmailShareALimit(t *testing.T) {
	accounts := map[string]bool{}
	m := open(t, func(m *mall) {
		m.limits = func(_ context.Context, _ string, in, out any) error {
			text, err := json.Marshal(in)
			if err != nil {
				return err
			}
			var asked struct {
				Account string `json:"account"`
			}
			if err := json.Unmarshal(text, &asked); err != nil {
				return err
			}
			accounts[asked.Account] = true
			return json.Unmarshal([]byte(`{"allowed":true}`), out)
		}
		m.answer = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }
	})
	for _, email := range []string{"wei@bücher.example", " Wei@BÜCHER.example", "wei@xn--bcher-kva.example",
		"wei@bücher.example", "wei@ｂücher.example"} {
		m.do("POST", "/v1/sessions", `{"email":"`+email+`","password":"x"}`)
	}
	if len(accounts) != 1 {
		t.Errorf("%d limits, want one", len(accounts))
	}
}

// A declined card of one shopper does not hold up good ones of others behind the same address, however many pay at
// once.
func TestGoodCardsBehindOneAddressAreNotLimited(t *testing.T) {
	const shoppers = 20 // the address may have five declined cards
	var inside sync.WaitGroup
	inside.Add(shoppers)
	m := open(t, func(m *mall) {
		m.answer = func(w http.ResponseWriter, _ *http.Request) {
			inside.Done()
			inside.Wait()
			w.WriteHeader(http.StatusCreated)
		}
	})
	var all sync.WaitGroup
	for i := range shoppers {
		token := m.sign(jwt.SigningMethodEdDSA, m.keys.private, func(c *identity.Claims) { c.Subject = fmt.Sprint(100 + i) })
		all.Go(func() {
			res := m.do("POST", "/v1/payments", `{"order_id":"7"}`, "Idempotency-Key: k", "Authorization: Bearer "+token)
			if res.want(t, "a good card", 201, ""); res.StatusCode == http.StatusTooManyRequests {
				inside.Done()
			}
		})
	}
	all.Wait()
}

// Declined cards are limited; good ones and repeated requests are not.
func TestDeclinedCardsAreLimited(t *testing.T) {
	status, replayed := 201, ""
	m := open(t, func(m *mall) {
		m.answer = func(w http.ResponseWriter, _ *http.Request) {
			if replayed != "" {
				w.Header().Set("Idempotent-Replayed", replayed)
			}
			w.Header().Set("Content-Type", problem.ContentType)
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, `{"status":%d,"code":"card_declined","trace_id":"%032d"}`, status, 0)
		}
	})
	pay := func() reply { return m.signed("POST", "/v1/payments", `{"order_id":"7"}`, "Idempotency-Key: k") }
	for range 5 {
		pay().want(t, "a good card", 201, "")
	}
	status, replayed = 402, "true"
	for range 5 {
		pay().want(t, "a repeated request", 402, "card_declined")
	}
	replayed = ""
	for range 3 {
		pay().want(t, "a declined card", 402, "card_declined")
	}
	stopped := pay()
	if stopped.want(t, "after three declined cards", 429, "too_many_requests"); stopped.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	status = 201
	pay().want(t, "a good card after three declined ones", 429, "too_many_requests")
	if !strings.Contains(m.metrics(), "mall_gateway_declined_cards_total 3") {
		t.Error("declined cards are not counted")
	}
}

func TestAFullGatewayRefusesAtOnce(t *testing.T) {
	inside, release := make(chan struct{}), make(chan struct{})
	m := open(t, func(m *mall) {
		m.inFlight = 1
		m.answer = func(http.ResponseWriter, *http.Request) { close(inside); <-release }
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		if res, err := get(t, m.front.URL+"/v1/products"); err == nil {
			_ = res.Body.Close()
		}
	}()
	<-inside
	res := m.do("GET", "/v1/products", "")
	res.want(t, "second at a time", 503, "unavailable")
	if res.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	m.do("GET", "/healthz", "").want(t, "health of a full mall", 200, "")
	close(release)
	<-done
}

// Slow uploads use up the slots for bodies, but not those for requests.
func TestSlowUploadsDoNotBlockOtherRequests(t *testing.T) {
	m := open(t, func(m *mall) { m.inFlight = 8 })
	type ended struct {
		which int
		line  string
	}
	replies := make(chan ended, 3)
	slow := make([]net.Conn, 3) // two are admitted, a quarter of eight
	for i := range slow {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", m.front.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := io.WriteString(conn,
			"POST /v1/sessions/refresh HTTP/1.1\r\nHost: mall\r\nContent-Type: application/json\r\n"+
				"Content-Length: 2\r\n\r\n{"); err != nil {
			t.Fatal(err)
		}
		slow[i] = conn
		go func() {
			line, _ := bufio.NewReader(conn).ReadString('\n')
			replies <- ended{i, strings.TrimSpace(line)}
		}()
	}
	refused := <-replies
	if refused.line != "HTTP/1.1 429 Too Many Requests" {
		t.Errorf("a slow upload above the limit: %s, want 429", refused.line)
	}
	for range 20 {
		m.do("GET", "/v1/products", "").want(t, "browsing meanwhile", 200, "")
	}
	m.do("POST", "/v1/sessions/refresh", `{"refresh_token":"x"}`).want(t, "an upload of the same client", 429,
		"too_many_requests")
	m.proxies, _ = edge.ParseProxies("127.0.0.0/8, ::1")
	m.do("POST", "/v1/sessions/refresh", `{"refresh_token":"x"}`, "X-Forwarded-For: 1.2.3.4").want(t,
		"an upload of another client", 200, "")
	for i, conn := range slow {
		if i == refused.which {
			continue
		}
		if _, err := io.WriteString(conn, "}"); err != nil {
			t.Fatal(err)
		}
		if got := <-replies; got.line != "HTTP/1.1 200 OK" {
			t.Errorf("a slow upload that was admitted: %s, want 200", got.line)
		}
	}
	m.proxies = nil
	m.do("POST", "/v1/sessions/refresh", `{"refresh_token":"x"}`).want(t, "after the slow uploads", 200, "")
}
