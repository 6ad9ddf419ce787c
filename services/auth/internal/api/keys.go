package api

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/auth/internal/signing"
	"daprmall.dev/services/kit/page"
)

type keyView struct {
	Kid         string        `json:"kid"`
	State       signing.State `json:"state"`
	CreatedAt   time.Time     `json:"created_at"`
	ActivatedAt *time.Time    `json:"activated_at,omitempty"`
	RetiredAt   *time.Time    `json:"retired_at,omitempty"`
	RevokedAt   *time.Time    `json:"revoked_at,omitempty"`
}

func showKeys(c *gin.Context, keys signing.Keys) {
	when := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	out := make([]keyView, len(keys.List))
	for i, k := range keys.List {
		out[i] = keyView{k.Kid, k.State(keys.Now), k.Created, when(k.Activated), when(k.Retired), when(k.Revoked)}
	}
	c.JSON(http.StatusOK, page.New(out, ""))
}

func (h handler) listKeys(c *gin.Context) error {
	keys, err := h.keys.List(c.Request.Context())
	if err != nil {
		return err
	}
	showKeys(c, keys)
	return nil
}

func (h handler) rotateKeys(c *gin.Context) error {
	keys, err := h.keys.Rotate(c.Request.Context())
	if err != nil {
		return err
	}
	showKeys(c, keys)
	return nil
}

func (h handler) revokeKey(c *gin.Context) error {
	keys, err := h.keys.Revoke(c.Request.Context(), c.Param("kid"))
	if err != nil {
		return err
	}
	showKeys(c, keys)
	return nil
}
