package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/contracts/userv1"
	"daprmall.dev/services/kit/config"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/web"
)

// Settings reads the configuration store.
type Settings interface {
	Config(ctx context.Context, keys []string) (map[string]config.Value, error)
}

// audit answers the verdict of the last audit.
func (h handler) audit(c *gin.Context) error {
	if err := web.OnlyQuery(c); err != nil {
		return err
	}
	values, err := h.settings.Config(c.Request.Context(), []string{userv1.KeyVerdict})
	if err != nil {
		return problem.NewUnavailable(fmt.Errorf("read verdict: %w", err), 0, "The verdict cannot be read right now.")
	}
	kept, found := values[userv1.KeyVerdict]
	if !found {
		return problem.New(problem.NotFound, "not_found", "No audit has been kept yet.")
	}
	var v userv1.Verdict
	if err := json.Unmarshal([]byte(kept.Text), &v); err != nil {
		return fmt.Errorf("read verdict: %w", err)
	}
	c.JSON(http.StatusOK, v)
	return nil
}
