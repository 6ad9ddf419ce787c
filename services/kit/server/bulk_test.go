package server

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strconv"
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
	number := -1
	call := func(path, body string, headers ...string) string {
		number++
		headers = append(headers, fmt.Sprint("Mall-Call: ", number))
		return "POST " + path + " HTTP/1.1\r\nHost: order\r\n" + strings.Join(append(headers,
			fmt.Sprint("Content-Length: ", len(body))), "\r\n") + "\r\n\r\n" + body
	}
	body := call("/holds", `{"id":"1"}`, "traceparent: "+trace) + call("/holds", `{"di":"2"}`) +
		call("/orders", `{"id":"3"}`) + call("/secret", `{}`) +
		call("/holds", `{"id":"5"}`, "Dapr-Caller-App-Id: product", "Dapr-Api-Token: none")
	for caller, want := range map[string][]string{
		"checkout": {`200 "id":"1","trace":"0123456789abcdef0123456789abcdef"`, "422 ", "401 ", "421 ", `200 "id":"5"`},
		"cart":     {"403 ", "403 ", "403 ", "421 ", "403 "},
	} {
		key := map[string]string{"checkout": "c-key", "cart": "k-key"}[caller]
		a := d.ask(http.MethodPost, "/bulk", body, "dapr-caller-app-id: "+caller, "Mall-Caller-Key: "+key)
		reader := bufio.NewReader(strings.NewReader(a.body))
		for range want {
			res, err := http.ReadResponse(reader, nil) //nolint:bodyclose // it is in memory
			if err != nil {
				t.Fatalf("%s: %d, %v, %s", caller, a.status, err, a.body)
			}
			text, _ := io.ReadAll(res.Body)
			number, err := strconv.Atoi(res.Header.Get("Mall-Call"))
			if err != nil || number < 0 || number >= len(want) {
				t.Fatalf("%s: the number of a call: %v", caller, err)
			}
			status, part, _ := strings.Cut(want[number], " ")
			if fmt.Sprint(res.StatusCode) != status || !strings.Contains(string(text), part) {
				t.Errorf("%s, call %d: %d %s, want %s", caller, number, res.StatusCode, text, want[number])
			}
		}
		if rest, _ := io.ReadAll(reader); len(rest) > 0 {
			t.Errorf("%s: %s after the last response", caller, rest)
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
