package settings_test

import (
	"maps"
	"testing"

	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/postgres/postgrestest"
	"daprmall.dev/services/kit/settings"
)

func TestSavedSettingsAreLoaded(t *testing.T) {
	s := settings.New(postgrestest.Open(t, settings.Migrations))
	const policy = "p, anyone\n\"quoted\", 茶"
	for _, values := range []map[string]config.Value{
		{"mall.currency": {Text: "EUR"}, "gateway.policy": {Text: policy, Version: 7}, "payment.return_url": {}},
		{"mall.currency": {Text: "USD", Version: 1_764_164_000_000}},
		{"gateway.policy": {Text: "of a replica that read it before", Version: 6}},
	} {
		if err := s.Save(t.Context(), values); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]config.Value{"mall.currency": {Text: "USD", Version: 1_764_164_000_000},
		"gateway.policy": {Text: policy, Version: 7}, "payment.return_url": {}}
	if got, err := s.Load(t.Context()); err != nil || !maps.Equal(got, want) {
		t.Errorf("loaded %v, %v; want %v", got, err, want)
	}
}
