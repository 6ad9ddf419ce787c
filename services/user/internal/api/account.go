package api

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/web"
)

// own turns a missing account into an unauthenticated caller: it was deleted a moment ago.
func own(err error) error {
	if problem.KindOf(err) == problem.NotFound {
		return problem.Wrap(err, problem.Unauthenticated, "unauthenticated", "Sign in: this account is gone.")
	}
	return err
}

func (h handler) askReset(c *gin.Context) error {
	var in struct {
		Email string `json:"email"`
	}
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	if err := h.users.AskReset(c.Request.Context(), in.Email); err != nil {
		return err
	}
	c.Status(http.StatusAccepted)
	return nil
}

func (h handler) resetPassword(c *gin.Context) error {
	var in struct {
		Token    string `json:"token"`
		Password string `json:"password"`
	}
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	if err := h.users.ResetPassword(c.Request.Context(), in.Token, in.Password); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (h handler) askVerification(c *gin.Context) error {
	if err := h.users.AskVerification(c.Request.Context(), web.User(c).ID); err != nil {
		return own(err)
	}
	c.Status(http.StatusAccepted)
	return nil
}

func (h handler) verifyEmail(c *gin.Context) error {
	var in struct {
		Token string `json:"token"`
	}
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	if err := h.users.VerifyEmail(c.Request.Context(), in.Token); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (h handler) changePassword(c *gin.Context) error {
	var in struct {
		CurrentPassword string `json:"current_password"`
		NewPassword     string `json:"new_password"`
	}
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	u := web.User(c)
	if err := h.users.ChangePassword(c.Request.Context(), u.ID, u.Session, in.CurrentPassword,
		in.NewPassword); err != nil {
		return own(err)
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (h handler) deleteAccount(c *gin.Context) error {
	var in struct {
		Password string `json:"password"`
	}
	if err := web.Bind(c, &in); err != nil {
		return err
	}
	if err := h.users.DeleteAccount(c.Request.Context(), web.User(c).ID, in.Password); err != nil {
		return own(err)
	}
	c.Status(http.StatusNoContent)
	return nil
}
