package user

import (
	"context"

	"daprmall.dev/services/kit/problem"
)

var errWrongPassword = problem.New(problem.Forbidden, "wrong_password", "The password is wrong.")

// ChangePassword sets a new password, given the old one. Other sessions than this one end.
func (s *Service) ChangePassword(ctx context.Context, userID, session, current, password string) error {
	u, err := s.store.Find(ctx, userID)
	if err != nil {
		return err
	}
	if fields := append(given("current_password", current),
		s.weak.check("new_password", password, u.s.Email)...); len(fields) > 0 {
		return problem.Validation(fields...)
	}
	if err := s.confirm(ctx, u, current); err != nil {
		return err
	}
	change, err := s.newPassword(ctx, password, session)
	if err != nil {
		return err
	}
	was := u.s.PasswordHash
	_, err = s.Change(ctx, userID, func(u *User) (EventKind, error) {
		if u.s.PasswordHash != was { // changed meanwhile by another request
			return None, errWrongPassword
		}
		return change(u)
	})
	return err
}

// newPassword returns the change that sets a password; session stays open.
func (s *Service) newPassword(ctx context.Context, password, session string) (func(u *User) (EventKind, error), error) {
	hash, err := s.hasher.Hash(ctx, password)
	if err != nil {
		return nil, err
	}
	id, err := s.ids.Next()
	if err != nil {
		return nil, err
	}
	return func(u *User) (EventKind, error) {
		u.s.PasswordHash, u.s.PasswordID, u.s.KeptSession = hash, id, session
		u.s.Version++
		return PasswordChanged, nil
	}, nil
}

// given returns what is wrong with a password typed in to confirm.
func given(field, password string) []problem.Field {
	if password == "" {
		return []problem.Field{{Field: field, Message: "is missing"}}
	}
	return nil
}

// confirm returns an error unless password is the account's.
func (s *Service) confirm(ctx context.Context, u *User, password string) error {
	if len(password) > 512 { // no password of that length can have been set
		return errWrongPassword
	}
	ok, err := s.hasher.Verify(ctx, u.s.PasswordHash, password)
	if err == nil && !ok {
		err = errWrongPassword
	}
	return err
}

// DeleteAccount deletes an account for good, given its password. A seller's stays while products are on offer.
func (s *Service) DeleteAccount(ctx context.Context, userID, password string) error {
	if fields := given("password", password); len(fields) > 0 {
		return problem.Validation(fields...)
	}
	u, err := s.store.Find(ctx, userID)
	if err == nil {
		err = s.confirm(ctx, u, password)
	}
	if err != nil {
		return err
	}
	u, err = s.store.Delete(ctx, u.s.ID, func(u *User) error {
		if u.s.Banned { // its email must stay taken
			return problem.New(problem.Forbidden, "banned", "This account is banned.")
		}
		if u.s.Has("seller") {
			return problem.New(problem.Conflict, "seller_account",
				"Shoppers rely on this seller: have an admin take the role away first.")
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.tell(ctx, u)
	return nil
}

// RepublishDeletions publishes deletions once more to services with personal data: a token that was still alive may
// have written since the first time.
func (s *Service) RepublishDeletions(ctx context.Context) error {
	return s.store.RepublishDeletions(ctx)
}
