package server

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/web"
)

// Each call of an invocation passes the checks of its route: its caller, its user, its body. None changes another.
func TestCallsInBulkPassTheChecksOfTheirRoutes(t *testing.T) {
	d := open(t)
	d.s.RequireCallerKeys(map[string]string{"checkout": "c-key", "cart": "k-key"})
	ok := Handle(func(c *gin.Context) error {
		var in struct {
			ID string `json:"id"`
		}
		if err := web.Bind(c, &in); err != nil {
			return err
		}
		c.JSON(http.StatusOK, gin.H{"id": in.ID, "trace": web.TraceID(c)})
		return nil
	})
	d.s.POST("/holds", Callers("checkout"), ok)
	d.s.POST("/orders", Callers("checkout"), d.s.SignedIn, ok)
	d.s.POST("/secret", Callers("checkout"), ok)
	d.s.InBulk(Callers("checkout", "cart"), "/holds", "/orders")
	trace := "00-0123456789abcdef0123456789abcdef-0123456789abcdef-00"
	call := func(path, body string, headers ...string) string {
		return "POST " + path + " HTTP/1.1\r\nHost: order\r\n" + strings.Join(append(headers,
			fmt.Sprint("Content-Length: ", len(body))), "\r\n") + "\r\n\r\n" + body
	}
	body := call("/holds", `{"id":"1"}`, "traceparent: "+trace) + call("/holds", `{"di":"2"}`) +
		call("/orders", `{"id":"3"}`) + call("/secret", `{}`) +
		call("/holds", `{"id":"5"}`, "Dapr-Caller-App-Id: product", "Dapr-Api-Token: none")
	for caller, want := range map[string][]string{
		"checkout": {"200 OK", `"id":"1","trace":"0123456789abcdef0123456789abcdef"`, "422 ", "401 ", "421 ", "200 OK",
			`"id":"5"`},
		"cart": {"403 ", "403 ", "403 ", "421 ", "403 "},
	} {
		key := map[string]string{"checkout": "c-key", "cart": "k-key"}[caller]
		a := d.ask(http.MethodPost, "/bulk", body, "dapr-caller-app-id: "+caller, "Mall-Caller-Key: "+key)
		rest := a.body
		for _, part := range want {
			_, after, found := strings.Cut(rest, part)
			if !found {
				t.Fatalf("%s: %d, no %q in %s", caller, a.status, part, a.body)
			}
			rest = after
		}
		if a.status != http.StatusOK || strings.Contains(rest, "HTTP/1.1") {
			t.Errorf("%s: %d, %s", caller, a.status, rest)
		}
	}
	for what, c := range map[string]struct {
		body, caller, key string
		status            int
	}{"another caller": {body, "product", "", 403}, "a wrong key": {body, "checkout", "k-key", 403},
		"no calls": {"{}", "checkout", "c-key", 400}} {
		a := d.ask(http.MethodPost, "/bulk", c.body, "dapr-caller-app-id: "+c.caller, "Mall-Caller-Key: "+c.key)
		if a.status != c.status {
			t.Errorf("%s: %d %s, want %d", what, a.status, a.body, c.status)
		}
	}
}
