package api_test

import (
	"context"
	"encoding/base64"
	"log/slog"
	"testing"
	"time"

	"daprmall.dev/services/auth/internal/api"
	"daprmall.dev/services/auth/internal/auth"
	"daprmall.dev/services/auth/internal/signing"
	"daprmall.dev/services/auth/internal/store"
	"daprmall.dev/services/contracts/contractstest"
	"daprmall.dev/services/kit/inbox"
	"daprmall.dev/services/kit/postgres/postgrestest"
)

type noUsers struct{}

func (noUsers) Verify(context.Context, string, string) (auth.Account, error) {
	return auth.Account{}, nil
}

func (noUsers) Find(_ context.Context, id string) (auth.Account, error) {
	return auth.Account{ID: id, Roles: []string{}, Banned: true}, nil
}

func TestAuthKeepsItsContract(t *testing.T) {
	db := postgrestest.Open(t, inbox.Migrations, store.Migrations)
	vault, err := signing.NewVault(map[string]string{"wrap": "w1",
		"wrap-w1": base64.StdEncoding.EncodeToString(make([]byte, 32))})
	if err != nil {
		t.Fatal(err)
	}
	keys := signing.NewRing(store.NewKeys(db, vault), vault, func() time.Duration { return 0 })
	if err := keys.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	sessions := store.New(db)
	ttl := func() time.Duration { return time.Minute }
	in := inbox.New(db, nil, slog.New(slog.DiscardHandler))
	s := contractstest.NewServer("auth")
	api.Routes(s, in, auth.NewService(noUsers{}, keys, sessions, nil, nil, ttl,
		func() auth.Lifetimes { return auth.Lifetimes{Refresh: time.Minute, Session: time.Hour} }), keys, sessions)
	contractstest.CheckService(t, "auth", s, in)
}
