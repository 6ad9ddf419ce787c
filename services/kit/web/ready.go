package web

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

// Check says what a process needs to serve, and whether it has it.
type Check struct {
	Name string
	Ask  func(ctx context.Context) error
	Soft bool // operators are told; the process serves without it
}

// UnmetError is the error of a Check that may be shown to operators as it is.
type UnmetError string

func (u UnmetError) Error() string { return string(u) }

// MissingSettings is the error of settings that are not known, nil if there are none.
func MissingSettings(keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	return UnmetError("not known: " + strings.Join(keys, ", "))
}

// readyWithin bounds how long the checks may take together.
const readyWithin = 3 * time.Second

// Ready answers /readyz: 200, or 503 with the checks that fail. Soft checks that fail are listed and do not matter.
func Ready(c *gin.Context, checks []Check) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), readyWithin)
	defer cancel()
	missing, degraded := gin.H{}, gin.H{}
	for _, check := range checks {
		err := check.Ask(ctx)
		if err == nil {
			continue
		}
		to, text := missing, "not reachable"
		if check.Soft {
			to = degraded
		}
		if unmet := (UnmetError("")); errors.As(err, &unmet) {
			text = string(unmet)
		}
		to[check.Name] = text
	}
	status, answer := http.StatusOK, gin.H{"status": "ready"}
	if len(degraded) > 0 {
		answer["degraded"] = degraded
	}
	if len(missing) > 0 {
		status, answer["status"], answer["missing"] = http.StatusServiceUnavailable, "not ready", missing
	}
	c.JSON(status, answer)
}
