package store_test

import "testing"

// The secret that derives successors is rotated between a lost answer and its repeat, and at one replica before the
// other.
func TestARepeatedRefreshSurvivesARotationOfTheSecret(t *testing.T) {
	_, _, sessions, _ := open(t)
	first := signIn(t, sessions)
	second, err := sessions.Refresh(t.Context(), first.Refresh)
	if err != nil {
		t.Fatal(err)
	}
	sessions.SetSecrets([]byte("next"), []byte("secret"))
	if again, err := sessions.Refresh(t.Context(), first.Refresh); err != nil || again.Refresh != second.Refresh {
		t.Errorf("the repeat: %v, want the same successor", err)
	}
	third, err := sessions.Refresh(t.Context(), second.Refresh)
	if err != nil {
		t.Fatal(err)
	}
	sessions.SetSecrets([]byte("secret"), []byte("next")) // a replica that has not switched yet
	if again, err := sessions.Refresh(t.Context(), second.Refresh); err != nil || again.Refresh != third.Refresh {
		t.Errorf("the repeat at the other replica: %v, want the same successor", err)
	}
	sessions.SetSecrets([]byte("unknown"))
	if _, err := sessions.Refresh(t.Context(), second.Refresh); !invalid(err) {
		t.Errorf("with neither secret: %v, want refused", err)
	}
}
