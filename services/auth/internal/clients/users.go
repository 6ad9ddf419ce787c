// Package clients calls other services through the sidecar.
package clients

import (
	"context"
	"fmt"
	"net/http"

	"daprmall.dev/services/auth/internal/auth"
	"daprmall.dev/services/contracts/userv1"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/sidecar"
)

// Users implements auth.Users by calling the user service.
type Users struct{ dapr *sidecar.Client }

// NewUsers makes the client.
func NewUsers(dapr *sidecar.Client) Users { return Users{dapr} }

// Verify implements auth.Users.
func (u Users) Verify(ctx context.Context, email, password string) (auth.Account, error) {
	var answer userv1.VerifyAnswer
	err := u.dapr.Invoke(ctx, sidecar.Request{App: "user", Method: http.MethodPost, Path: userv1.PathVerify, System: true,
		In: userv1.VerifyRequest{Email: email, Password: password}, Out: &answer})
	if err != nil {
		return auth.Account{}, err
	}
	switch {
	case answer.Verdict == userv1.VerdictOK && answer.User != nil:
		return account(answer.User), nil
	case answer.Verdict == userv1.VerdictBanned:
		return auth.Account{}, problem.New(problem.Forbidden, "banned", "This account is banned.")
	case answer.Verdict == userv1.VerdictInvalid:
		return auth.Account{}, problem.New(problem.Unauthenticated, "invalid_credentials", "Email or password is wrong.")
	}
	return auth.Account{}, fmt.Errorf("user service gave the verdict %q", answer.Verdict)
}

// Find implements auth.Users.
func (u Users) Find(ctx context.Context, userID string) (auth.Account, error) {
	var answer userv1.GetAnswer
	err := u.dapr.Invoke(ctx, sidecar.Request{App: "user", Method: http.MethodPost, Path: userv1.PathGet, System: true,
		In: userv1.GetRequest{UserID: userID}, Out: &answer})
	switch {
	case err != nil:
		return auth.Account{}, err
	case answer.User == nil:
		return auth.Account{ID: userID, Roles: []string{}, Banned: true}, nil
	case answer.User.ID != userID:
		return auth.Account{}, fmt.Errorf("asked for account %s, user answered %s", userID, answer.User.ID)
	}
	return account(answer.User), nil
}

func account(u *userv1.User) auth.Account {
	return auth.Account{ID: u.ID, Roles: u.Roles, Banned: u.Banned, Version: u.Version,
		PasswordID: u.PasswordID, KeptSession: u.KeptSession}
}
