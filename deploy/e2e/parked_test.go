//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"daprmall.dev/deploy/internal/apiclient"
)

// parkedEvent sends an event that no service can handle, and returns its id when product has parked it.
func parkedEvent(t *testing.T) string {
	t.Helper()
	order := mallUnderTest(t).Apps["order"]
	id := "bad-" + apiclient.Key()
	t.Cleanup(func() {
		for _, service := range []string{"product", "cart", "payment"} {
			// No service sent it: the audit would say so.
			if _, err := database(t, service).ExecContext(context.WithoutCancel(t.Context()),
				"DELETE FROM inbox WHERE id = $1", id); err != nil {
				t.Error(err)
			}
		}
	})
	a := raw(t, http.MethodPost, order.sidecar("/v1.0/publish/events/mall-orders?metadata.partitionKey=1"),
		map[string]any{"specversion": "1.0", "id": id, "source": "order", "type": "mall.order.paid.v1", "subject": "1",
			"datacontenttype": "application/json", "data": map[string]any{"order_id": []string{"nonsense"}}},
		map[string]string{"dapr-api-token": order.DaprToken, "Content-Type": "application/cloudevents+json"})
	if a.Status >= 300 {
		t.Fatalf("publish: %s", a)
	}
	inbox := database(t, "product")
	err := eventually(t.Context(), waitFor, func() error {
		n, err := number(t.Context(), inbox, "SELECT count(*) FROM inbox WHERE id = $1 AND status = 'parked'", id)
		if err == nil && n != 1 {
			err = fmt.Errorf("%d are parked", n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// An admin sees an event that product could not handle, has it tried again, and gives it up; each may be repeated.
func TestAnAdminRetriesAndDropsAParkedEvent(t *testing.T) {
	id := parkedEvent(t)
	type event struct {
		ID, Type, Reason string
		Attempts         int
	}
	listed := func() (event, bool) {
		t.Helper()
		var page struct{ Items []event }
		if err := admin.Want(t.Context(), http.StatusOK, http.MethodGet,
			"/v1/admin/parked-events/product?page_size=100", nil, &page); err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(page.Items, func(e event) bool { return e.ID == id })
		if i < 0 {
			return event{}, false
		}
		return page.Items[i], true
	}
	first, found := listed()
	if !found || first.Type != "mall.order.paid.v1" || first.Reason == "" {
		t.Fatalf("listed: %t, %+v", found, first)
	}
	path := "/v1/admin/parked-events/product/" + id
	if a := do(t, admin, http.MethodPost, path+"/retry", nil); a.Status != http.StatusNoContent {
		t.Errorf("retry: %s", a)
	}
	err := eventually(t.Context(), waitFor, func() error {
		if e, found := listed(); !found || e.Attempts <= first.Attempts {
			return fmt.Errorf("listed %t, %d tries before and %d now", found, first.Attempts, e.Attempts)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	drop := func() apiclient.Answer {
		return do(t, admin, http.MethodPost, path+"/drop", map[string]string{"reason": "a test sent it"})
	}
	for range 2 {
		if a := drop(); a.Status != http.StatusNoContent {
			t.Errorf("drop: %s", a)
		}
	}
	if e, found := listed(); found {
		t.Errorf("it is still parked: %+v", e)
	}
	if a := do(t, admin, http.MethodPost, path+"/retry", nil); a.Status != http.StatusConflict ||
		a.Code() != "event_dropped" {
		t.Errorf("retry after the drop: %s", a)
	}
	var handled string
	if err := database(t, "product").QueryRowContext(t.Context(),
		"SELECT id FROM inbox WHERE status = 'done' LIMIT 1").Scan(&handled); err != nil {
		t.Fatal(err)
	}
	a := do(t, admin, http.MethodPost, "/v1/admin/parked-events/product/"+handled+"/drop",
		map[string]string{"reason": "a test sent it"})
	if a.Status != http.StatusConflict || a.Code() != "event_handled" {
		t.Errorf("drop of one that was handled: %s", a)
	}
	for _, missing := range []string{"/v1/admin/parked-events/product/" + id + "x/retry",
		"/v1/admin/parked-events/sandbox/" + id + "/retry", "/v1/admin/parked-events/user/" + id + "/retry"} {
		if a := do(t, admin, http.MethodPost, missing, nil); a.Status != http.StatusNotFound {
			t.Errorf("%s: %s", missing, a)
		}
	}
}
