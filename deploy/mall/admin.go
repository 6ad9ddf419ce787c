package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"daprmall.dev/deploy/internal/layout"
	"daprmall.dev/deploy/internal/secrets"
)

// firstAdmin prints the secret that makes the first admin, and how.
func firstAdmin(_ context.Context, at layout.Layout, _ []string) error {
	store, err := secrets.Read(at.Home)
	if err != nil {
		return err
	}
	if store.FirstAdmin() == "" {
		return errors.New("this mall has no such secret yet: start the mall first")
	}
	fmt.Printf("%s\n", store.FirstAdmin())
	fmt.Println("Sign up and in, then POST /v1/me/admin {\"secret\": \"…\"}. It works once, and only while the mall has " +
		"no admin.")
	return nil
}

// hasNoAdmin asks the user service whether the mall needs its first admin. Without an answer nothing is printed.
func (m *mall) hasNoAdmin(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	for _, a := range m.apps {
		if a.ID == "user" && a.Replica == 1 {
			return shows(ctx, fmt.Sprintf("http://127.0.0.1:%d/metrics", a.Port), "mall_user_admins 0")
		}
	}
	return false
}

// shows reports whether a page of metrics has a line.
func shows(ctx context.Context, url, line string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close() //nolint:errcheck // read only
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if lines.Text() == line {
			return true
		}
	}
	return false
}
