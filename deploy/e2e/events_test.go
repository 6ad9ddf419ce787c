//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/pb33f/jsonschema/v6"

	"daprmall.dev/deploy/internal/apiclient"
	"daprmall.dev/services/contracts"
)

// Every event type that has a contract is published, and every consumer handles it: the audit compares outboxes with
// inboxes, orders with stock, and payments with orders.
func TestEveryEventTypeIsPublishedAndHandled(t *testing.T) {
	ctx := t.Context()
	me, address := shopper(t)
	p := product(t, "Talking tea", 400, 3)

	paid := order(t, me, address, p.ID, 1)
	if a, err := me.Pay(ctx, apiclient.Key(), paid.ID, apiclient.CardGood); err != nil || a.Status != http.StatusCreated {
		t.Fatalf("pay: %s, %v", a, err)
	}
	waitOrder(t, me, paid.ID, "paid")

	// The money is captured, but the answer is lost. Meanwhile the shopper cancels, so the money must be refunded.
	late := order(t, me, address, p.ID, 1)
	payments, charges := database(t, "payment"), database(t, "sandbox")
	paying := make(chan error, 1)
	go func() {
		_, err := me.Pay(context.WithoutCancel(ctx), apiclient.Key(), late.ID, apiclient.CardUnanswered)
		paying <- err
	}()
	err := eventually(ctx, waitFor, func() error {
		attempt, err := number(ctx, payments, "SELECT id FROM payments WHERE order_id = $1", late.ID)
		if err != nil {
			return err
		}
		if n, err := number(ctx, charges, "SELECT captured FROM charges WHERE ref = $1",
			strconv.FormatInt(attempt, 10)); err != nil || n == 0 {
			return fmt.Errorf("%d captured, %w", n, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := me.Want(ctx, http.StatusOK, http.MethodPost, "/v1/orders/"+late.ID+"/cancel", nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := <-paying; err != nil {
		t.Errorf("pay: %v", err)
	}
	waitOrder(t, me, late.ID, "refunded")

	// The gate shows more stock than there is, as after it has lost holds. The ledger rejects the order.
	waitAvailable(t, p.ID, 2)
	redisDo(t, "HSET", "mall:{mall}:product:"+p.ID, "base", "9")
	rejected := waitOrder(t, me, order(t, me, address, p.ID, 5).ID, "cancelled")
	if rejected.CancelReason != "out_of_stock" {
		t.Errorf("the rejected order was cancelled because of %q", rejected.CancelReason)
	}

	u, _ := shopper(t)
	leaver, _ := shopper(t)
	var who, left apiclient.User
	err = errors.Join(u.Want(ctx, http.StatusOK, http.MethodGet, "/v1/me", nil, &who),
		leaver.Want(ctx, http.StatusOK, http.MethodGet, "/v1/me", nil, &left))
	if err != nil {
		t.Fatal(err)
	}
	account, changed := "/v1/admin/users/"+who.ID, "another "+apiclient.Password
	for _, change := range []struct {
		by           *apiclient.Client
		method, path string
		body         any
		status       int
	}{
		{admin, http.MethodPut, account + "/roles", map[string]any{"roles": []string{"customer", "seller"}}, http.StatusOK},
		{admin, http.MethodPut, account + "/ban", map[string]any{"reason": "tests"}, http.StatusNoContent},
		{admin, http.MethodDelete, account + "/ban", map[string]any{"reason": "tests"}, http.StatusNoContent},
		{leaver, http.MethodPut, "/v1/me/password", map[string]any{"current_password": apiclient.Password,
			"new_password": changed}, http.StatusNoContent},
		{leaver, http.MethodDelete, "/v1/me", map[string]any{"password": changed}, http.StatusNoContent},
	} {
		if err := change.by.Want(ctx, change.status, change.method, change.path, change.body, nil); err != nil {
			t.Fatal(err)
		}
	}

	schemas, err := eventSchemas()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for name := range schemas {
		want = append(want, name)
	}
	slices.Sort(want)
	err = eventually(ctx, waitFor, func() error {
		var published []string
		for _, service := range contracts.Producers() {
			var types string
			err := database(t, service).QueryRowContext(ctx, `SELECT coalesce(json_agg(DISTINCT type), '[]') FROM outbox
				WHERE published_at IS NOT NULL AND key IN ($1, $2, $3, $4, $5)`, paid.ID, late.ID, rejected.ID, who.ID,
				left.ID).Scan(&types)
			var some []string
			if err = errors.Join(err, json.Unmarshal([]byte(types), &some)); err != nil {
				return err
			}
			published = append(published, some...)
		}
		if slices.Sort(published); !slices.Equal(published, want) {
			return fmt.Errorf("published were %v, want %v", published, want)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	auditPatiently(t)
}

// invalidEvents validates every event that the services published during the suite against its JSON Schema, as a
// consumer in another language would. It stops after sixteen. TestEveryEventTypeIsPublishedAndHandled checks that there
// are events of every type.
func invalidEvents(ctx context.Context) []string {
	raw, err := os.ReadFile(home("run", "state.json"))
	if err != nil {
		return []string{err.Error()}
	}
	var at mallAccess
	if err := json.Unmarshal(raw, &at); err != nil {
		return []string{err.Error()}
	}
	schemas, err := eventSchemas()
	if err != nil {
		return []string{err.Error()}
	}
	var found []string
	for _, service := range contracts.Producers() {
		events, err := outbox(ctx, at.Databases[service])
		if err != nil {
			return append(found, fmt.Sprintf("events of %s: %v", service, err))
		}
		for _, text := range events {
			value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
			if err != nil {
				found = append(found, fmt.Sprintf("%v: %s", err, text))
				continue
			}
			fields, _ := value.(map[string]any)
			name, _ := fields["type"].(string)
			if schemas[name] == nil {
				found = append(found, fmt.Sprintf("%s has no schema: %s", name, text))
			} else if err := schemas[name].Validate(value); err != nil && len(found) < 16 {
				found = append(found, fmt.Sprintf("%v: %s", err, text))
			}
		}
	}
	return found
}

func eventSchemas() (map[string]*jsonschema.Schema, error) {
	files, err := filepath.Glob(filepath.Join(root(), "services", "contracts", "*", "schema", "*.json"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no schemas of events: %w", err)
	}
	schemas := map[string]*jsonschema.Schema{}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	for _, file := range files {
		base := filepath.Base(file)
		if schemas[base[:len(base)-len(".json")]], err = compiler.Compile(file); err != nil {
			return nil, err
		}
	}
	return schemas, nil
}

func outbox(ctx context.Context, dsn string) (events [][]byte, err error) {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return nil, err
	}
	defer db.Close() //nolint:errcheck // nothing was written
	rows, err := db.QueryContext(ctx, "SELECT payload FROM outbox")
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err is asked below
	for rows.Next() {
		var text []byte
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		events = append(events, text)
	}
	return events, rows.Err()
}
