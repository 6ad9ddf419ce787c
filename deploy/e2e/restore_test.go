//go:build e2e

package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"daprmall.dev/deploy/internal/apiclient"
)

// Product's database is restored to an earlier state while the mall runs. Product learns from order's feed what was
// sold since, and the audit finds no violation. A seller's delivery since is lost: then the gate shows more stock than
// the ledger until it is corrected to the ledger's value.
func TestTheGateFollowsARestoredLedger(t *testing.T) {
	ctx := t.Context()
	me, address := shopper(t)
	p := product(t, "Restored tea", 300, 20)
	sell := func(n int) {
		t.Helper()
		for range n {
			o := order(t, me, address, p.ID, 1)
			if a, err := me.Pay(ctx, apiclient.Key(), o.ID, apiclient.CardGood); err != nil || a.Status != http.StatusCreated {
				t.Fatalf("pay: %s, %v", a, err)
			}
			waitOrder(t, me, o.ID, "paid")
		}
	}
	sell(2)
	auditPatiently(t)
	db := database(t, "product")
	restore := backup(t, db)
	sell(3)
	if err := seller.Want(ctx, http.StatusOK, http.MethodPost, "/v1/products/"+p.ID+"/stock",
		map[string]any{"delta": 7, "reason": "delivery"}, nil); err != nil {
		t.Fatal(err)
	}
	waitAvailable(t, p.ID, 22)
	forks, found := metric(t, "product", "mall_product_ledger_restored_total"), 0.0
	restore()
	waitAvailable(t, p.ID, 15) // 20 − 2 − 3: the feed delivers what was sold
	err := eventually(ctx, 100*time.Second, func() error {
		found = metric(t, "product", "mall_product_ledger_restored_total") - forks
		if base := redisDo(t, "HGET", "mall:{mall}:product:"+p.ID, "base"); base != "15" || found < 1 {
			return fmt.Errorf("the gate has base %s, want 15; found restored %v times", base, found)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	sell(1)
	waitAvailable(t, p.ID, 14)
	auditPatiently(t)
}

// backup copies a whole database. The function it returns restores it in one transaction, while the service keeps
// running.
func backup(t *testing.T, db *sql.DB) (restore func()) {
	t.Helper()
	ctx := t.Context()
	exec := func(query string) {
		t.Helper()
		if _, err := db.ExecContext(ctx, query); err != nil {
			t.Fatalf("%v\n%s", err, query)
		}
	}
	var list string
	// Tables with foreign keys come last.
	err := db.QueryRowContext(ctx, `SELECT string_agg(relname, ' ' ORDER BY refers, relname) FROM (
		SELECT relname, EXISTS (SELECT FROM pg_constraint WHERE conrelid = c.oid AND contype = 'f') AS refers
		FROM pg_class c WHERE relkind = 'r' AND NOT relhassubclass AND relnamespace = 'public'::regnamespace) t`).Scan(&list)
	if err != nil {
		t.Fatal(err)
	}
	tables := strings.Fields(list)
	copies := "DROP SCHEMA IF EXISTS backup CASCADE; CREATE SCHEMA backup;"
	all := strings.Join(tables, ", ")
	back := "TRUNCATE " + all + ";"
	for _, name := range tables {
		// What triggers would do is in the backup, as it is in that of pg_dump, which makes triggers last.
		back = fmt.Sprintf("ALTER TABLE public.%s DISABLE TRIGGER USER; ", name) + back
		copies += fmt.Sprintf("CREATE TABLE backup.%[1]s AS TABLE public.%[1]s;", name)
		back += fmt.Sprintf("INSERT INTO public.%[1]s OVERRIDING SYSTEM VALUE TABLE backup.%[1]s;", name)
	}
	for _, name := range tables {
		back += fmt.Sprintf("ALTER TABLE public.%s ENABLE TRIGGER USER;", name)
	}
	exec("BEGIN ISOLATION LEVEL REPEATABLE READ; " + copies + " COMMIT")
	t.Cleanup(func() { _, _ = db.Exec("DROP SCHEMA IF EXISTS backup CASCADE") }) //nolint:noctx // the test's has ended
	return func() {
		t.Helper()
		if err := eventually(ctx, 30*time.Second, func() error { return restoreTables(ctx, db, all, back) }); err != nil {
			t.Fatal(err)
		}
	}
}

// restoreTables waits for no lock: a wait could end in a deadlock with a transaction of the service.
func restoreTables(ctx context.Context, db *sql.DB, tables, statements string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // nothing is left to undo after the commit
	if _, err := tx.ExecContext(ctx, "LOCK TABLE "+tables+" IN ACCESS EXCLUSIVE MODE NOWAIT"); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, statements); err != nil {
		return fmt.Errorf("%w\n%s", err, statements)
	}
	return tx.Commit()
}
