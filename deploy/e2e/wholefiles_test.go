//go:build e2e

// Tests run in the order of their files. These are among the last, because they leave thousands of products, and other
// tests wait until product has compared all of them with the gate.

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"daprmall.dev/deploy/internal/apiclient"
)

// report is what these tests read of an import.
type report struct {
	ID, Status string
	Totals     struct{ Rows, Created, Updated, Unchanged, Refused int }
}

// importFile sends a file of products, once the seller's import before it has finished.
func importFile(t *testing.T, who *apiclient.Client, media, query string, file []byte) apiclient.Answer {
	t.Helper()
	var a apiclient.Answer
	err := eventually(t.Context(), time.Minute, func() error {
		if a = do(t, who, http.MethodPost, "/v1/products/import"+query, file, "Content-Type", media); a.Code() ==
			"import_running" || a.Status == http.StatusTooManyRequests {
			return fmt.Errorf("%s", a)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// finished waits for the report of an import.
func finished(t *testing.T, who *apiclient.Client, a apiclient.Answer) report {
	t.Helper()
	var r report
	if a.Status != http.StatusAccepted {
		t.Fatalf("import: %s", a)
	}
	err := eventually(t.Context(), 2*time.Minute, func() error {
		err := who.Want(t.Context(), http.StatusOK, http.MethodGet, a.Header.Get("Location"), nil, &r)
		if err == nil && r.Status != "finished" {
			err = fmt.Errorf("%+v", r)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// shopifyFile is a product export with n products.
func shopifyFile(n int) []byte {
	var b strings.Builder
	b.WriteString("\ufeffHandle,Title,Body (HTML),Vendor,Type,Published,Variant SKU,Variant Inventory Qty,Variant Price," +
		"Image Src\r\n")
	for i := range n {
		fmt.Fprintf(&b, "cup-%d,Imported cup %d,\"<p>Holds <b>%d</b> ml,\r\nand more.</p>\",ACME,imports,TRUE,", i, i, i)
		fmt.Fprintf(&b, "I/%d,%d,%d.50,\r\n", i, 3+i%5, 1+i%100)
	}
	return []byte(b.String())
}

// A file of 10,000 products is imported although product is killed meanwhile: each row once. The same file again
// changes nothing.
func TestAnImportSurvivesAKilledService(t *testing.T) {
	who, err := newSeller(t.Context(), newEmail())
	if err != nil {
		t.Fatal(err)
	}
	const products = 10_000
	file := shopifyFile(products)
	a := importFile(t, who, "text/csv", "", file)
	var now report
	if err := a.Into(&now); err != nil || now.Status == "finished" {
		t.Fatalf("%+v, %v: want an import that is running when product is killed", now, err)
	}
	kill(t, "product")
	r := finished(t, who, a)
	if r.Totals.Created != products || r.Totals.Rows != products {
		t.Errorf("%+v, want %d created", r, products)
	}
	again := finished(t, who, importFile(t, who, "text/csv; charset=utf-8", "", file))
	if again.Totals.Unchanged != products {
		t.Errorf("the same file again: %+v", again)
	}
	var me apiclient.User
	if err := who.Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/me", nil, &me); err != nil {
		t.Fatal(err)
	}
	count := 0
	for token := ""; ; {
		path := "/v1/admin/products?page_size=100&seller_id=" + me.ID
		if token != "" {
			path += "&page_token=" + token
		}
		var page struct {
			Items []struct{ ID string }
			Next  string `json:"next_page_token"`
		}
		if err := admin.Want(t.Context(), http.StatusOK, http.MethodGet, path, nil, &page); err != nil {
			t.Fatal(err)
		}
		count += len(page.Items)
		if token = page.Next; token == "" {
			break
		}
	}
	if count != products {
		t.Errorf("the seller has %d products, want %d", count, products)
	}
	var cup apiclient.Product
	err = who.Want(t.Context(), http.StatusOK, http.MethodGet, "/v1/products/by-sku/I%2F7", nil, &cup)
	if err != nil || cup.Price != 850 || cup.Available != 5 || cup.Category != "imports" {
		t.Errorf("%+v, %v", cup, err)
	}
	buys(t, cup)
}

// buys checks that shoppers can order a product.
func buys(t *testing.T, p apiclient.Product) {
	t.Helper()
	me := newMember(t)
	address, err := me.Address(t.Context(), "Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	order(t, me.Client, address, p.ID, 1)
}

// Two clients put the same sku at the same moment: one product, and both get it.
func TestPutsOfOneSKUMakeOneProduct(t *testing.T) {
	path := "/v1/products/by-sku/" + apiclient.Key()
	answers := make([]apiclient.Answer, 8)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			answers[i] = do(t, seller, http.MethodPut, path, map[string]any{"name": "Put tea", "description": "", "price": 100})
		})
	}
	all.Wait()
	created, ids := 0, map[string]bool{}
	for _, a := range answers {
		var p apiclient.Product
		if err := a.Into(&p); err != nil || a.Status > http.StatusCreated {
			t.Errorf("%s, %v", a, err)
		}
		if ids[p.ID] = true; a.Status == http.StatusCreated {
			created++
		}
	}
	if created != 1 || len(ids) != 1 {
		t.Errorf("%d created, ids %v", created, ids)
	}
}

// mall import prints what is wrong, and its exit status says so.
func TestTheImportCommandReportsRefusedRows(t *testing.T) {
	email := newEmail()
	if _, err := newSeller(t.Context(), email); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "products.jsonl")
	write := func(rows ...map[string]any) {
		var b strings.Builder
		for _, r := range rows {
			line, _ := json.Marshal(r)
			b.Write(append(line, '\n'))
		}
		if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	good := map[string]any{"sku": "A", "name": "Command tea", "price": "9.99", "stock": 1}
	write(good, map[string]any{"sku": "B", "name": "Cup", "price": "9,99"})
	out, err := mall(t.Context(), "import", path, "--email", email, "--dry-run")
	if err == nil || !strings.Contains(out, "1 created, 0 updated, 0 unchanged, 1 refused") ||
		!strings.Contains(out, "price must be an amount of CNY like 12.99") || !strings.Contains(out, "dry run") {
		t.Errorf("%v\n%s", err, out)
	}
	write(good)
	for _, want := range []string{"1 created", "1 unchanged"} {
		if out, err := mall(t.Context(), "import", path, "--email", email); err != nil || !strings.Contains(out, want) {
			t.Errorf("%v, want %s\n%s", err, want, out)
		}
	}
}

// Gateway and sidecars let files through that are as large as the contract says, and no larger ones.
func TestFilesOfSixteenMiBAreTaken(t *testing.T) {
	who, err := newSeller(t.Context(), newEmail())
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for i := 0; b.Len() < 16<<20-10_200; i++ {
		fmt.Fprintf(&b, "{\"sku\":\"L-%d\",\"name\":\"Long\",\"price\":1,\"description\":\"%s\"}\n", i,
			strings.Repeat("x", 10_000))
	}
	r := finished(t, who, importFile(t, who, "application/jsonl", "?dry_run=true", []byte(b.String())))
	if r.Totals.Rows < 1600 || r.Totals.Created != r.Totals.Rows {
		t.Errorf("%d bytes: %+v", b.Len(), r)
	}
	large := do(t, who, http.MethodPost, "/v1/products/import", make([]byte, 16<<20+1), "Content-Type", "text/csv")
	if wrong := refusal(large, http.StatusRequestEntityTooLarge); wrong != "" {
		t.Error(wrong)
	}
}

// Refusals of skus and files that no other test provokes.
func TestRefusalsOfSKUsAndFiles(t *testing.T) {
	who, err := newSeller(t.Context(), newEmail())
	if err != nil {
		t.Fatal(err)
	}
	tea := map[string]any{"name": "Refused tea", "description": "", "price": 100, "stock": 1}
	a := do(t, who, http.MethodPut, "/v1/products/by-sku/T-1", tea)
	plain := do(t, who, http.MethodPost, "/v1/products", tea)
	var first, second apiclient.Product
	if a.Into(&first) != nil || plain.Into(&second) != nil || a.Status != 201 || plain.Status != 201 {
		t.Fatalf("%s, %s", a, plain)
	}
	withSKU := map[string]any{"sku": "T-1"}
	for name, value := range tea {
		withSKU[name] = value
	}
	running := importFile(t, who, "text/csv", "", shopifyFile(8000))
	for _, c := range []struct {
		method, path string
		body         any
		headers      []string
		status       int
		code         string
	}{
		{"POST", "/v1/products/import", []byte(`{"sku":"A"}`), []string{"Content-Type", "application/jsonl"}, 409,
			"import_running"},
		{"POST", "/v1/products/import", []byte("a"), []string{"Content-Type", "text/plain"}, 415, "unsupported_media_type"},
		{"POST", "/v1/products", withSKU, nil, 409, "sku_taken"},
		{"PATCH", "/v1/products/" + second.ID, map[string]any{"sku": "T-1"}, []string{"If-Match", `"1"`}, 409, "sku_taken"},
		{"PUT", "/v1/products/by-sku/T-1", tea, []string{"If-Match", `"9"`}, 412, "precondition_failed"},
		{"PUT", "/v1/products/by-sku/" + strings.Repeat("9", 500), tea, nil, 404, "not_found"},
	} {
		got := do(t, who, c.method, c.path, c.body, c.headers...)
		if wrong := refusal(got, c.status); wrong != "" || got.Code() != c.code {
			t.Errorf("%s %.40s: %s %s, want %s", c.method, c.path, got, wrong, c.code)
		}
		if c.code == "sku_taken" && !strings.Contains(string(got.Body), first.ID) {
			t.Errorf("%s does not name product %s", got, first.ID)
		}
	}
	finished(t, who, running)
}
