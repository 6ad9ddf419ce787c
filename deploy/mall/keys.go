package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"text/tabwriter"
	"time"

	"daprmall.dev/deploy/internal/layout"
)

// changeKeys shows or changes the keys that sign access tokens.
func changeKeys(ctx context.Context, at layout.Layout, method, path string) error {
	s, err := readState(at)
	if err != nil {
		return err
	}
	auth, ok := s.Apps["auth"]
	if !ok {
		return errors.New("auth is not running")
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, auth.URL+"/operator/keys"+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("dapr-api-token", auth.AppToken)
	req.Header.Set("Authorization", "Bearer "+auth.DaprToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	var answer struct {
		Detail string `json:"detail"`
		Items  []struct {
			Kid     string    `json:"kid"`
			State   string    `json:"state"`
			Created time.Time `json:"created_at"`
		} `json:"items"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("auth answered %d: %w", res.StatusCode, err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s (%d, Retry-After %q)", answer.Detail, res.StatusCode, res.Header.Get("Retry-After"))
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, k := range answer.Items {
		_, _ = fmt.Fprintf(w, "%s\t%s\tpublished %s\n", k.Kid, k.State, k.Created.Local().Format(time.DateTime))
	}
	return w.Flush()
}
