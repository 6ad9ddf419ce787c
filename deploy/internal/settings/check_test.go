package settings

import "testing"

func TestOnlySettingsThatExistAreAccepted(t *testing.T) {
	if err := CheckAll(map[string]string{"order.payment_timeout": "20m"}); err != nil {
		t.Error(err)
	}
	for name, text := range map[string]string{"order.timeout": "20m", "order.payment_timeout": "soon"} {
		if err := CheckAll(map[string]string{name: text}); err == nil {
			t.Errorf("%s=%s was accepted", name, text)
		}
	}
}
