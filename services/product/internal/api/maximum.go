package api

import (
	"encoding/json"

	"daprmall.dev/services/product/internal/catalog"
)

// maximum is a maximum per order in a change: a number, null to remove it, or not sent.
type maximum struct{ change *catalog.Maximum }

// UnmarshalJSON is called only for a field that was sent.
func (m *maximum) UnmarshalJSON(raw []byte) error {
	m.change = &catalog.Maximum{}
	return json.Unmarshal(raw, &m.change.Units)
}
