package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/identity"
	"daprmall.dev/services/kit/page"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/web"
)

func TestBindRefusesInvalidBodies(t *testing.T) {
	d := open(t)
	type thing struct {
		Name  string            `json:"name"`
		Count int64             `json:"count"`
		Tags  []string          `json:"tags"`
		Sub   *thing            `json:"sub"`
		Facts map[string]string `json:"facts"`
	}
	d.s.POST("/things", Handle(func(c *gin.Context) error {
		var in thing
		if err := web.Bind(c, &in); err != nil {
			return err
		}
		c.JSON(http.StatusOK, in)
		return nil
	}))
	deep := func(n int) string { return strings.Repeat(`{"sub":`, n) + "{}" + strings.Repeat("}", n) }
	exactly := func(n int) string { return `{"name":"` + strings.Repeat("x", n-11) + `"}` }
	for what, c := range map[string]struct {
		body   string
		status int
		code   string
		field  string
	}{
		"good":                       {`{"name":"茶","count":3,"tags":["a"]}`, 200, "", ""},
		"spaces around":              {" \n{} \t", 200, "", ""},
		"brackets in a text":         {`{"name":"` + strings.Repeat("[{", 40) + `\"{"}`, 200, "", ""},
		"16 deep":                    {deep(15), 200, "", ""},
		"17 deep":                    {deep(16), 400, "bad_json", ""},
		"10,000 deep":                {strings.Repeat("[", 10_000), 400, "bad_json", ""},
		"unknown field":              {`{"title":"x"}`, 422, "validation_failed", "title"},
		"unknown field below":        {`{"sub":{"user_id":"1"}}`, 422, "validation_failed", "user_id"},
		"another case":               {`{"Name":"x"}`, 422, "validation_failed", "Name"},
		"another case below":         {`{"sub":{"COUNT":1}}`, 422, "validation_failed", "COUNT"},
		"an escaped capital letter":  {`{"\u004eame":"x"}`, 422, "validation_failed", "Name"},
		"an escaped name":            {`{"\u006eame":"x"}`, 200, "", ""},
		"a name twice":               {`{"name":"x","name":"x"}`, 422, "validation_failed", "name"},
		"a name twice, escaped":      {`{"name":"x","\u006eame":"y"}`, 422, "validation_failed", "name"},
		"a name twice below":         {`{"sub":{"count":1,"tags":[],"count":1}}`, 422, "validation_failed", "count"},
		"a name on two levels":       {`{"name":"x","sub":{"name":"x"}}`, 200, "", ""},
		"capitals in a map":          {`{"facts":{"Colour":"red","Größe":"M"}}`, 200, "", ""},
		"a key twice in a map":       {`{"facts":{"Colour":"red","Colour":"blue"}}`, 422, "validation_failed", "Colour"},
		"NUL in a key":               {`{"facts":{"a\u0000":"x"}}`, 400, "bad_json", ""},
		"a long s for an s":          {`{"ſub":{}}`, 422, "validation_failed", "ſub"},
		"null":                       {`{"sub":null}`, 422, "validation_failed", "sub"},
		"null in a list":             {`{"tags":["a",null]}`, 422, "validation_failed", "tags"},
		"names and null as texts":    {`{"name":"Name: null, \"Count\":n","tags":["null","Ä:n"]}`, 200, "", ""},
		"text for number":            {`{"count":"3"}`, 422, "validation_failed", "count"},
		"fraction":                   {`{"count":1.5}`, 422, "validation_failed", "count"},
		"too large a number":         {`{"count":9223372036854775808}`, 422, "validation_failed", "count"},
		"number for text":            {`{"name":3}`, 422, "validation_failed", "name"},
		"object for list":            {`{"tags":{}}`, 422, "validation_failed", "tags"},
		"escaped NUL":                {`{"name":"a\u0000b"}`, 400, "bad_json", ""},
		"raw NUL":                    {"{\"name\":\"a\x00b\"}", 400, "bad_json", ""},
		"NUL spelt out":              {`{"name":"a\\u0000b"}`, 200, "", ""},
		"not UTF-8":                  {"{\"name\":\"a\xffb\"}", 400, "bad_json", ""},
		"a pair of surrogates":       {`{"name":"\ud83d\ude00\uD83D\uDE00"}`, 200, "", ""},
		"half a pair":                {`{"name":"\ud83d"}`, 400, "bad_json", ""},
		"half a pair at the end":     {`{"name":"\ud83d\u`, 400, "bad_json", ""},
		"the other half":             {`{"name":"\ude00\ud83d"}`, 400, "bad_json", ""},
		"half a pair, and a pair":    {`{"name":"\ud83d\ud83d\ude00"}`, 400, "bad_json", ""},
		"half a pair, spelt out":     {`{"name":"\\ud83d"}`, 200, "", ""},
		"no digits":                  {`{"name":"\uzzzz"}`, 400, "bad_json", ""},
		"two values":                 {`{}{}`, 400, "bad_json", ""},
		"text after the object":      {`{} x`, 400, "bad_json", ""},
		"empty":                      {"", 400, "bad_json", ""},
		"only spaces":                {"  ", 400, "bad_json", ""},
		"only null":                  {"null", 400, "bad_json", ""},
		"list":                       {"[]", 400, "bad_json", ""},
		"text":                       {`"x"`, 400, "bad_json", ""},
		"torn":                       {`{"name":"x`, 400, "bad_json", ""},
		"1 MiB":                      {exactly(web.MaxBody), 200, "", ""},
		"a byte more than 1 MiB":     {exactly(web.MaxBody + 1), 413, "body_too_large", ""},
		"five MiB that are not JSON": {strings.Repeat("x", 5<<20), 413, "body_too_large", ""},
	} {
		got := d.ask("POST", "/things", c.body)
		if got.status != c.status || got.doc.Code != c.code {
			t.Errorf("%s: %d %.200s, want %d %s", what, got.status, got.body, c.status, c.code)
		}
		if c.field != "" && (len(got.doc.Errors) != 1 || got.doc.Errors[0].Field != c.field ||
			got.doc.Errors[0].Message == "") {
			t.Errorf("%s: errors %+v, want one of %s", what, got.doc.Errors, c.field)
		}
		if strings.Contains(got.body, "json:") || strings.Contains(got.body, "Go ") {
			t.Errorf("%s: the answer mentions Go: %s", what, got.body)
		}
	}
}

// An app's port serves only its own sidecar, and operators' health checks.
func TestOnlyTheOwnSidecarMayCall(t *testing.T) {
	d := open(t)
	d.s.GET("/things", Handle(func(c *gin.Context) error { c.Status(http.StatusNoContent); return nil }))
	for what, header := range map[string]string{"no token": "-" + tokenHeader, "another": tokenHeader + ": other"} {
		headers := []string{"-" + tokenHeader, header}
		d.ask("GET", "/things", "", headers...).want(t, what, 403, "not_through_sidecar")
		d.ask("GET", "/nothing", "", headers...).want(t, what+", no such route", 403, "not_through_sidecar")
		for _, open := range []string{"/healthz", "/readyz", "/metrics"} {
			if a := d.ask("GET", open, "", headers...); a.status != 200 {
				t.Errorf("%s %s: %d, want 200", what, open, a.status)
			}
		}
	}
	d.ask("GET", "/things", "").want(t, "the right token", 204, "")
	d.ask("GET", "/nothing", "").want(t, "no such route", 404, "not_found")
	d.ask("POST", "/things", "").want(t, "no such method", 405, "method_not_allowed")
	d.ask("GET", "/things/", "").want(t, "no redirect", 404, "not_found")
}

// Metric series are kept forever, so clients must not be able to create new ones.
func TestClientsCannotCreateMetricSeries(t *testing.T) {
	d := open(t)
	d.s.POST("/things", Handle(func(c *gin.Context) error { c.Status(http.StatusNoContent); return nil }))
	for _, path := range []string{"/things", "/nothing/7", "/healthz"} {
		d.ask("INVENTED", path, "", "-"+tokenHeader)
		d.ask("INVENTED", path, "")
	}
	if a := d.ask("GET", "/metrics", ""); strings.Contains(a.body, "INVENTED") ||
		!strings.Contains(a.body, `method="any",route="unknown"`) {
		t.Error("an invented method has its own series, or unknown routes have none")
	}
}

// Calls through the sidecar carry the app's token, whoever makes them. So profiles need another token, which only
// operators have.
func TestProfilesAreForOperators(t *testing.T) {
	d := open(t)
	for _, path := range []string{"/debug/pprof/heap", "/debug/pprof/goroutine?debug=2", "/debug/pprof/allocs",
		"/debug/pprof/profile?seconds=1"} {
		d.ask("GET", path, "").want(t, path+" without the second token", 403, "caller_not_allowed")
		d.ask("GET", path, "", "Authorization: Bearer ").want(t, path+" with none", 403, "caller_not_allowed")
	}
	d.s.env.DaprAPIToken = "sidecar's"
	d.ask("GET", "/debug/pprof/heap", "", "Authorization: Bearer another").want(t, "another token", 403,
		"caller_not_allowed")
	if a := d.ask("GET", "/debug/pprof/heap", "", "Authorization: Bearer sidecar's"); a.status != 200 {
		t.Errorf("an operator: %d %s, want a profile", a.status, a.body)
	}
	d.ask("GET", "/debug/pprof/heap", "", "Authorization: Bearer sidecar's", "-"+tokenHeader).want(t, "without the first",
		403, "not_through_sidecar")
}

func TestRoutesNameTheirCallers(t *testing.T) {
	d := open(t)
	d.s.GET("/inside", Callers("checkout", "cart"), Handle(
		func(c *gin.Context) error { c.Status(http.StatusNoContent); return nil }))
	for caller, want := range map[string]int{"checkout": 204, "cart": 204, "product": 403, "Checkout": 403, "": 403,
		"checkout,cart": 403} {
		headers := []string{}
		if caller != "" {
			headers = append(headers, callerHeader+": "+caller)
		}
		a := d.ask("GET", "/inside", "", headers...)
		if a.status != want || want == 403 && a.doc.Code != "caller_not_allowed" {
			t.Errorf("caller %q: %d %s, want %d", caller, a.status, a.body, want)
		}
	}
	for _, second := range []string{"product", "checkout", ""} { // a sidecar adds its own id to one that the caller sent
		d.ask("GET", "/inside", "", callerHeader+": checkout", callerHeader+": "+second).want(t, "two callers", 403,
			"caller_not_allowed")
	}
}

// A caller's name is accepted only with the caller's key.
func TestCallersAreAcceptedOnlyWithTheirKey(t *testing.T) {
	d := open(t)
	d.s.RequireCallerKeys(map[string]string{"checkout": "k1", "cart": "k2", "nobody": ""})
	d.s.GET("/inside", Callers("checkout", "nobody"),
		Handle(func(c *gin.Context) error { c.Status(http.StatusNoContent); return nil }))
	for _, c := range []struct {
		caller, key string
		want        int
	}{{"checkout", "k1", 204}, {"checkout", "", 403}, {"checkout", "k2", 403}, {"checkout", "k", 403}, {"cart", "k2", 403},
		{"nobody", "", 403}, {"", "k1", 403}} {
		var headers []string
		if c.caller != "" {
			headers = append(headers, callerHeader+": "+c.caller)
		}
		if c.key != "" {
			headers = append(headers, identity.CallerKeyHeader+": "+c.key)
		}
		a := d.ask("GET", "/inside", "", headers...)
		if a.status != c.want || c.want == 403 && a.doc.Code != "caller_not_allowed" {
			t.Errorf("%q with key %q: %d %s, want %d", c.caller, c.key, a.status, a.body, c.want)
		}
	}
	d.ask("GET", "/inside", "", callerHeader+": checkout", callerHeader+": cart", identity.CallerKeyHeader+": k1").want(t,
		"two names", 403, "caller_not_allowed")
}

func TestSignedInNeedsAToken(t *testing.T) {
	d := open(t)
	d.s.GET("/mine", d.s.SignedIn, Handle(func(c *gin.Context) error { c.JSON(http.StatusOK, web.User(c)); return nil }))
	d.s.GET("/forgotten", Handle(func(c *gin.Context) error { c.JSON(http.StatusOK, web.User(c)); return nil }))
	for _, header := range []string{"X: y", "Authorization: Bearer ", "Authorization: Bearer x.y.z",
		"Authorization: Basic YTpi", "Authorization: bearer x"} {
		d.ask("GET", "/mine", "", header).want(t, header, 401, "unauthenticated")
	}
	d.ask("GET", "/forgotten", "").want(t, "a route that forgot SignedIn", 500, "internal")
}

// Refusals do not contain internal details; these are in the log, where the trace id finds them.
func TestRefusalsContainNoInternals(t *testing.T) {
	d := open(t)
	fails := map[string]struct {
		err    error
		status int
		code   string
		retry  string
	}{
		"plain":   {fmt.Errorf("read order: %w", errSecret), 500, "internal", ""},
		"wrapped": {problem.Wrap(errSecret, problem.Conflict, "taken", "It is taken."), 409, "taken", ""},
		"busy":    {problem.NewUnavailable(errSecret, 1200*time.Millisecond, "Try again."), 503, "unavailable", "2"},
		"away":    {fmt.Errorf("read order: %w", &net.OpError{Op: "dial", Err: errSecret}), 503, "unavailable", "1"},
		"many":    {problem.New(problem.TooManyRequests, "", "Slow down."), 429, "too_many_requests", "1"},
		"fields":  {problem.Validation(problem.Field{Field: "a", Message: "is missing"}), 422, "validation_failed", ""},
	}
	for name, f := range fails {
		d.s.GET("/"+name, Handle(func(*gin.Context) error { return f.err }))
	}
	d.s.GET("/panic", Handle(func(*gin.Context) error { panic(errSecret) }))
	d.s.GET("/late", Handle(func(c *gin.Context) error { c.String(http.StatusOK, "half"); return errSecret }))
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	for name, f := range fails {
		a := d.ask("GET", "/"+name, "", "traceparent: 00-"+trace+"-00f067aa0ba902b7-01")
		a.want(t, name, f.status, f.code)
		if a.doc.TraceID != trace || a.header.Get("Retry-After") != f.retry || strings.Contains(a.body, "pq:") {
			t.Errorf("%s: %v %s; want trace %s, retry %q and no internals", name, a.header, a.body, trace, f.retry)
		}
	}
	d.log.Reset()
	a := d.ask("GET", "/panic", "")
	a.want(t, "panic", 500, "internal")
	if strings.Contains(a.body, "pq:") || strings.Contains(a.body, "goroutine") ||
		!strings.Contains(d.log.String(), "pq:") || !strings.Contains(d.log.String(), "server_test.go") {
		t.Errorf("panic: answer %s, log %s; want the stack in the log only", a.body, d.log)
	}
	if a := d.ask("GET", "/late", ""); a.status != 200 || a.body != "half" {
		t.Errorf("an error after the answer: %d %s; want the answer left alone", a.status, a.body)
	}
}

func TestReadyNamesWhatIsMissing(t *testing.T) {
	down := errSecret
	d := open(t, web.Check{Name: "database", Ask: func(context.Context) error { return down }},
		web.Check{Name: "sidecar", Ask: func(context.Context) error { return nil }})
	a := d.ask("GET", "/readyz", "")
	if a.status != 503 || !strings.Contains(a.body, "database") || strings.Contains(a.body, "sidecar") ||
		strings.Contains(a.body, "pq:") {
		t.Errorf("not ready: %d %s; want 503, the database named, nothing more", a.status, a.body)
	}
	if a := d.ask("GET", "/healthz", ""); a.status != 200 {
		t.Errorf("alive: %d", a.status)
	}
	down = nil
	if a := d.ask("GET", "/readyz", ""); a.status != 200 {
		t.Errorf("ready: %d %s", a.status, a.body)
	}
}

func TestQueriesAreStrict(t *testing.T) {
	d := open(t)
	d.s.GET("/list/:id", Handle(func(c *gin.Context) error {
		if _, err := web.ID(c, "id", "thing"); err != nil {
			return err
		}
		if err := web.OnlyQuery(c, "page_size", "page_token"); err != nil {
			return err
		}
		size, err := page.Size(c)
		if err != nil {
			return err
		}
		if _, err := page.After(c); err != nil {
			return err
		}
		c.JSON(http.StatusOK, page.New[int](nil, strings.Repeat("x", size)))
		return nil
	}))
	for query, want := range map[string]int{"": 20, "?page_size=1": 1, "?page_size=100": 100} {
		a := d.ask("GET", "/list/1"+query, "")
		if want := fmt.Sprintf(`{"items":[],"next_page_token":%q}`, strings.Repeat("x", want)); a.status != 200 ||
			a.body != want {
			t.Errorf("%s: %d %s, want %s", query, a.status, a.body, want)
		}
	}
	for _, query := range []string{"?page_size=0", "?page_size=101", "?page_size=-1", "?page_size=x", "?page_size=",
		"?pagesize=1", "?page_size=1&page_size=2", "?page_token=%00", "?page_token=%ff", "?page_token=abc", "?page_token=",
		"?page_token=MQ%0a", "?page_token=MR"} {
		d.ask("GET", "/list/1"+query, "").want(t, query, 422, "validation_failed")
	}
	// url.ParseQuery would ignore this query
	for _, query := range []string{"?page_size=1;2", "?page_size=%zz", "?%zz", "?page_size=5%"} {
		d.ask("GET", "/list/1"+query, "").want(t, query, 400, "bad_request")
	}
	for _, id := range []string{"0", "-1", "x", "1%20OR%201=1", "01", "9223372036854775808"} {
		d.ask("GET", "/list/"+id, "").want(t, "id "+id, 404, "not_found")
	}
	if web.ETag(7) != `"7"` {
		t.Errorf("web.ETag(7) = %s", web.ETag(7))
	}
}

// A service that is stopped finishes its running requests.
func TestRunFinishesRunningRequests(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	env := config.Env{AppID: "order", AppHost: "127.0.0.1", AppPort: free.Addr().(*net.TCPAddr).Port}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	inside, release := make(chan struct{}), make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(inside)
			<-release
		}
		_, _ = io.WriteString(w, r.Proto)
	})
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- Run(ctx, env, slog.New(slog.DiscardHandler), h) }()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	h2c := &http.Client{Transport: &http.Transport{Protocols: protocols}}
	get := func(client *http.Client, path string) (string, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+env.Addr()+path, nil)
		if err != nil {
			return "", err
		}
		res, err := client.Do(req)
		if err != nil {
			return "", err
		}
		body, err := io.ReadAll(res.Body)
		return string(body), errors.Join(err, res.Body.Close())
	}
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) { //nolint:forbidigo // a poll with an end
		got, err := get(h2c, "/")
		if err == nil {
			if got != "HTTP/2.0" {
				t.Errorf("h2c: %s", got)
			}
			break
		}
		if time.Now().After(end) {
			t.Fatalf("it does not serve: %v", err)
		}
	}
	if got, err := get(http.DefaultClient, "/"); got != "HTTP/1.1" {
		t.Errorf("HTTP/1.1: %s, %v", got, err)
	}
	type result struct {
		body string
		err  error
	}
	slow := make(chan result, 1)
	go func() {
		body, err := get(http.DefaultClient, "/slow")
		slow <- result{body, err}
	}()
	<-inside
	stop()
	close(release)
	if r := <-slow; r.err != nil || r.body != "HTTP/1.1" {
		t.Errorf("a running request: %+v, want it answered", r)
	}
	if err := <-ran; err != nil {
		t.Errorf("run: %v", err)
	}
}

// A route that needs a setting is refused while the setting is unknown. Other routes are served, and operators see
// which setting is missing.
func TestRoutesWaitForTheirSettings(t *testing.T) {
	missing := []string{"mall.currency"}
	d := open(t, web.Check{Name: "settings", Ask: func(context.Context) error { return web.MissingSettings(missing) }})
	d.s.MissingSettings = func() []string { return missing }
	d.s.GET("/priced", d.s.WithSettings, Handle(func(c *gin.Context) error { c.Status(http.StatusNoContent); return nil }))
	d.s.GET("/plain", Handle(func(c *gin.Context) error { c.Status(http.StatusNoContent); return nil }))
	if a := d.ask("GET", "/priced", ""); a.status != 503 || a.doc.Code != "unavailable" ||
		a.header.Get("Retry-After") == "" {
		t.Errorf("priced: %d %s, want 503 unavailable", a.status, a.body)
	}
	if a := d.ask("GET", "/plain", ""); a.status != 204 {
		t.Errorf("plain: %d %s, want 204", a.status, a.body)
	}
	if a := d.ask("GET", "/readyz", ""); a.status != 503 || !strings.Contains(a.body, "not known: mall.currency") {
		t.Errorf("readyz: %d %s, want 503 that names the setting", a.status, a.body)
	}
	missing = nil
	if a := d.ask("GET", "/priced", ""); a.status != 204 {
		t.Errorf("priced once it is known: %d %s, want 204", a.status, a.body)
	}
	if a := d.ask("GET", "/readyz", ""); a.status != 200 {
		t.Errorf("readyz once it is known: %d %s, want 200", a.status, a.body)
	}
}

// Missing parts without which a process can serve are reported to operators, but do not make it unready.
func TestAReadyProcessMayBeDegraded(t *testing.T) {
	d := open(t)
	d.s.Check(web.Check{Name: "providers", Soft: true,
		Ask: func(context.Context) error { return web.UnmetError("stripe is not set up") }})
	if a := d.ask("GET", "/readyz", ""); a.status != 200 ||
		!strings.Contains(a.body, `"degraded":{"providers":"stripe is not set up"}`) {
		t.Errorf("readyz: %d %s, want 200 with what is degraded", a.status, a.body)
	}
}
