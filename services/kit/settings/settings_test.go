package settings_test

import (
	"maps"
	"testing"

	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/kit/settings"
)

func TestStore(t *testing.T) {
	s := settings.New(postgrestest.Open(t, settings.Migrations))
	for _, values := range []map[string]string{
		{"mall.currency": "EUR", "gateway.policy": "p, anyone\n\"quoted\", 茶", "user.first_admin": ""},
		{"mall.currency": "USD"},
	} {
		if err := s.Save(t.Context(), values); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{"mall.currency": "USD", "gateway.policy": "p, anyone\n\"quoted\", 茶", "user.first_admin": ""}
	if got, err := s.Load(t.Context()); err != nil || !maps.Equal(got, want) {
		t.Errorf("loaded %v, %v; want %v", got, err, want)
	}
}
