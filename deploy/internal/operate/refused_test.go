package operate

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"daprmall.dev/deploy/internal/settings"
)

// A value that its service refuses is not kept: a gateway that started with it would serve nobody.
func TestARefusedSettingIsReverted(t *testing.T) {
	c, do := testRedis(t)
	at := testConfig(t, c)
	const good, bad = "gateway.max_in_flight", "gateway.policy"
	defer do("DEL", good, bad)
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if settings.Parse(do("GET", bad)).Text == "nonsense" {
			_, _ = fmt.Fprintf(w, "mall_setting_refused{key=%q} 1\n", bad)
		}
		_, _ = fmt.Fprintf(w, "mall_settings_read_timestamp_seconds %g\n",
			float64(time.Now().Add(time.Second).UnixMilli())/1000)
	}))
	defer gateway.Close()
	stalled := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		read := time.Now().Add(time.Second)
		if settings.Parse(do("GET", bad)).Text == "nonsense" { // it does not read: it must not hide who refuses
			read = time.Time{}
		}
		_, _ = fmt.Fprintf(w, "mall_settings_read_timestamp_seconds %g\n", float64(read.UnixMilli())/1000)
	}))
	defer stalled.Close()
	at.Readers = []Reader{{"api-gateway", "api-gateway", stalled.URL}, {"api-gateway-2", "api-gateway", gateway.URL},
		{"order", "order", "http://127.0.0.1:1"}}
	for _, before := range []string{settings.Unset, "5"} {
		if before != settings.Unset {
			if err := at.Set(t.Context(), []string{bad, before}); err != nil {
				t.Fatal(err)
			}
		}
		err := at.Set(t.Context(), []string{bad, "nonsense", good, "7"})
		if err == nil || !strings.Contains(err.Error(), "api-gateway-2 cannot use this value of "+bad) {
			t.Errorf("set an invalid value: %v", err)
		}
		if got := settings.Parse(do("GET", bad)).Text; got != before {
			t.Errorf("the store has %q, want %q as before", got, before)
		}
		if got := settings.Parse(do("GET", good)).Text; got != "7" {
			t.Errorf("the valid setting is %q, want 7", got)
		}
	}
}
