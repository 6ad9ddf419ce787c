package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"daprmall.dev/deploy/internal/apiclient"
	"daprmall.dev/deploy/internal/layout"
)

func importCommand() *cobra.Command {
	var o importOptions
	c := &cobra.Command{Use: "import <file>", Args: cobra.ExactArgs(1),
		Short: "Import a seller's file of products: CSV of Shopify or WooCommerce (.csv), or JSON Lines (.jsonl)",
		Long: "Import a seller's file of products: CSV of Shopify or WooCommerce (.csv), or JSON Lines (.jsonl).\n\n" +
			"The password is taken from MALL_PASSWORD; without it that of the demo accounts is used. The exit status is 1 if " +
			"rows were refused.",
		Example: "  import products.csv --dry-run\n  MALL_PASSWORD=… import products.jsonl --email me@example.com"}
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "make the report only, and change nothing")
	c.Flags().StringVar(&o.email, "email", "seller@mall.local", "the seller's account")
	c.Flags().StringVar(&o.url, "url", "", "another mall's address, such as https://mall.example")
	c.RunE = here(func(ctx context.Context, at layout.Layout, args []string) error {
		if o.url == "" {
			o.url = fmt.Sprintf("http://127.0.0.1:%d", at.Base)
		}
		return importFile(ctx, o, args[0], os.Stdout)
	})
	return c
}

type importOptions struct {
	dryRun     bool
	email, url string
}

// importReport is an import as the API shows it.
type importReport struct {
	ID      string
	Status  string
	Format  string
	Ignored []string `json:"ignored_columns"`
	Totals  struct{ Rows, Created, Updated, Unchanged, Refused int }
	Items   []struct {
		Line   int
		SKU    string
		Errors []struct{ Field, Message string }
	}
	Next string `json:"next_page_token"`
}

// fileTypes are the media types of files by their names' endings.
var fileTypes = map[string]string{".csv": "text/csv", ".jsonl": "application/jsonl", ".ndjson": "application/x-ndjson"}

// importFile sends a file, waits until its rows have been worked through, and prints what became of them.
func importFile(ctx context.Context, o importOptions, path string, out io.Writer) error {
	media := fileTypes[strings.ToLower(filepath.Ext(path))]
	if media == "" {
		return fmt.Errorf("%s: the name must end with .csv, .jsonl or .ndjson", path)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	c, err := signInSeller(ctx, o)
	if err != nil {
		return err
	}
	var r importReport
	err = c.Want(ctx, http.StatusAccepted, http.MethodPost, fmt.Sprintf("/v1/products/import?dry_run=%t", o.dryRun), file,
		&r, "Content-Type", media)
	if err != nil {
		return err
	}
	report := "/v1/products/imports/" + r.ID
	for r.Status != "finished" {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the import goes on without this command; its report is at %s", report)
		case <-time.After(500 * time.Millisecond):
		}
		a, err := c.Do(ctx, http.MethodGet, report+"?page_size=1", nil)
		switch {
		case err == nil && a.Status == http.StatusOK:
			err = a.Into(&r)
		case err == nil && a.Status < http.StatusInternalServerError && a.Status != http.StatusTooManyRequests:
			err = fmt.Errorf("GET %s: %s", report, a)
		case err == nil: // the mall is busy, or a service restarts: the import goes on
			continue
		}
		if err != nil {
			return err
		}
	}
	r.print(out, path, o.dryRun)
	if r.Totals.Refused == 0 {
		return nil
	}
	if err := printRefused(ctx, c, report, out); err != nil {
		return err
	}
	return exitCode(1)
}

func signInSeller(ctx context.Context, o importOptions) (*apiclient.Client, error) {
	password := os.Getenv("MALL_PASSWORD")
	if password == "" {
		password = apiclient.Password
	}
	c := apiclient.New(strings.TrimSuffix(o.url, "/"))
	c.HTTP.Timeout = 2 * time.Minute // of a large file over a slow line
	var s apiclient.Session
	err := c.Want(ctx, http.StatusCreated, http.MethodPost, "/v1/sessions",
		map[string]string{"email": o.email, "password": password}, &s)
	if err != nil {
		return nil, fmt.Errorf("sign in as %s: %w", o.email, err)
	}
	return c.As(s.AccessToken), nil
}

func (r importReport) print(out io.Writer, path string, dryRun bool) {
	dry := ""
	if dryRun {
		dry = ", dry run: nothing was changed"
	}
	t := r.Totals
	fmt.Fprintf(out, "%s (%s%s)\n  %d products: %d created, %d updated, %d unchanged, %d refused\n", filepath.Base(path),
		r.Format, dry, t.Rows, t.Created, t.Updated, t.Unchanged, t.Refused)
	if len(r.Ignored) > 0 {
		fmt.Fprintf(out, "  columns that are not read: %s\n", strings.Join(r.Ignored, ", "))
	}
}

// printRefused prints the refused rows, page by page.
func printRefused(ctx context.Context, c *apiclient.Client, report string, out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  line\tsku\trefused because")
	for token := ""; ; {
		path := report + "?outcome=refused&page_size=100"
		if token != "" {
			path += "&page_token=" + token
		}
		var page importReport
		if err := c.Want(ctx, http.StatusOK, http.MethodGet, path, nil, &page); err != nil {
			return err
		}
		for _, row := range page.Items {
			var why []string
			for _, e := range row.Errors {
				why = append(why, strings.TrimSpace(e.Field+" "+e.Message))
			}
			fmt.Fprintf(w, "  %d\t%s\t%s\n", row.Line, row.SKU, strings.Join(why, "; "))
		}
		if token = page.Next; token == "" {
			return w.Flush()
		}
	}
}
