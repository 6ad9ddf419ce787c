package api_test

import (
	"context"
	"log/slog"
	"testing"

	"daprmall.dev/services/contracts/contractstest"
	"daprmall.dev/services/kit/mailbox"
	"daprmall.dev/services/kit/outbox"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/user/internal/api"
	"daprmall.dev/services/user/internal/argon"
	"daprmall.dev/services/user/internal/store"
	"daprmall.dev/services/user/internal/strength"
	"daprmall.dev/services/user/internal/user"
)

type fixedID struct{}

func (fixedID) Next() (string, error) { return contractstest.UserID, nil }

type fakeClients struct{}

func (fakeClients) Revoke(context.Context, user.Snapshot) error { return nil }

func (fakeClients) FirstAdmin(context.Context) (string, error) { return "", nil }

func TestUserKeepsItsContract(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	db := postgrestest.Open(t, outbox.Migrations, store.Migrations)
	out := outbox.New(db, "user", nil, log)
	users := user.NewService(user.Deps{Store: store.New(db, out), Hasher: argon.New(), Weak: strength.Weak,
		Forms:    mailbox.Forms,
		Sessions: fakeClients{}, Secrets: fakeClients{}, IDs: fixedID{}, Log: log})
	if _, err := users.Register(t.Context(), "lilei@example.com", "correct horse battery"); err != nil {
		t.Fatal(err)
	}
	s := contractstest.NewServer("user")
	api.Routes(s, out, users, nil)
	contractstest.CheckService(t, "user", s, nil, contractstest.FeedRefusals(t,
		func(sql string) error { return db.Exec(sql).Error })...)
}
