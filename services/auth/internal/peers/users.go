// Package peers is whom auth calls, through the sidecar.
package peers

import (
	"context"
	"fmt"
	"net/http"

	"daprmall.dev/services/auth/internal/auth"
	"daprmall.dev/services/contracts/userv1"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/sidecar"
)

// Users is auth.Users: the user service.
type Users struct{ side *sidecar.Client }

// NewUsers makes it.
func NewUsers(side *sidecar.Client) Users { return Users{side} }

// Verify is described at auth.Users.
func (u Users) Verify(ctx context.Context, email, password string) (auth.Account, error) {
	var answer userv1.VerifyAnswer
	err := u.side.Invoke(ctx, sidecar.Request{App: "user", Method: http.MethodPost, Path: userv1.PathVerify, System: true,
		In: userv1.VerifyRequest{Email: email, Password: password}, Out: &answer})
	if err != nil {
		return auth.Account{}, err
	}
	switch {
	case answer.Verdict == userv1.VerdictOK && answer.User != nil:
		return auth.Account{ID: answer.User.ID, Roles: answer.User.Roles, Banned: answer.User.Banned, Version: answer.User.Version}, nil
	case answer.Verdict == userv1.VerdictBanned:
		return auth.Account{}, problem.New(problem.Forbidden, "banned", "This account is banned.")
	case answer.Verdict == userv1.VerdictInvalid:
		return auth.Account{}, problem.New(problem.Unauthenticated, "invalid_credentials", "Email or password is wrong.")
	}
	return auth.Account{}, fmt.Errorf("user service gave the verdict %q", answer.Verdict)
}
