package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"time"

	"daprmall.dev/services/auth/internal/api"
	"daprmall.dev/services/auth/internal/auth"
	"daprmall.dev/services/auth/internal/store"
	"daprmall.dev/services/contracts/contractstest"
	"daprmall.dev/services/contracts/userv1"
	"daprmall.dev/services/kit/inbox"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres/postgrestest"
)

type unreachableUsers struct{ noUsers }

func (unreachableUsers) Find(context.Context, string) (auth.Account, error) {
	return auth.Account{}, errors.New("user is unreachable")
}

// An event that arrives while user is unreachable is parked, and the account's access tokens are void until it is
// handled.
func TestTokensAreVoidWhileAnEventCannotBeHandled(t *testing.T) {
	db := postgrestest.Open(t, inbox.Migrations, store.Migrations)
	sessions := store.New(db)
	lifetimes := auth.Lifetimes{Refresh: time.Hour, Session: time.Hour}
	account := auth.Account{ID: "7", Roles: []string{"customer"}, Version: 1}
	if _, _, err := sessions.Open(t.Context(), "1", account, []byte("token"), lifetimes); err != nil {
		t.Fatal(err)
	}
	in := inbox.New(db, nil, slog.New(slog.DiscardHandler))
	service := auth.NewService(unreachableUsers{}, nil, sessions, nil, nil, nil,
		func() auth.Lifetimes { return lifetimes })
	api.Routes(contractstest.NewServer("auth"), in, service, nil, sessions)
	data, err := json.Marshal(userv1.Banned{UserID: "7", AggregateVersion: 2, Roles: []string{"customer"}, At: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	event, err := json.Marshal(outbox.CloudEvent{ID: "0190e000-0000-7000-8000-000000000001", Source: "user",
		SpecVersion: "1.0", Type: userv1.TypeBanned,
		Subject: "7", Data: data})
	if err != nil {
		t.Fatal(err)
	}
	in.Receive(t.Context(), event)
	var parked int
	if err := db.Raw("SELECT count(*) FROM inbox WHERE status = 'parked'").Scan(&parked).Error; err != nil || parked != 1 {
		t.Errorf("%d parked, %v", parked, err)
	}
	list, err := sessions.Revocations(t.Context(), time.Time{}, "", 0)
	if err != nil || len(list.Items) != 1 || list.Items[0].Subject != "7" {
		t.Errorf("revoked %+v, %v; want the account's tokens void", list.Items, err)
	}
}
