package api

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/money"
)

// showCurrency says how the mall's amounts are written: with which currency, and how many decimals.
func (h handler) showCurrency(c *gin.Context) error {
	code := h.checkout.Currency()
	c.Header("Cache-Control", "public, max-age=60")
	c.JSON(http.StatusOK, gin.H{"code": code, "exponent": money.Exponent(code)})
	return nil
}
