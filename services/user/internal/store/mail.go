package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/user/internal/user"
)

// leaseMail is how long a replica may take to send a mail before another tries.
const leaseMail = time.Minute

// AskMail implements user.Mails.
func (s *Store) AskMail(ctx context.Context, email string, p user.Purpose) error {
	err := postgres.DB(ctx, s.db).Exec("INSERT INTO mail_requests (email, purpose) VALUES (?, ?) ON CONFLICT DO NOTHING",
		email, p).Error
	if err != nil {
		return fmt.Errorf("ask for mail: %w", err)
	}
	return nil
}

// NextMail implements user.Mails.
func (s *Store) NextMail(ctx context.Context) (*user.MailRequest, error) {
	var r user.MailRequest
	res := postgres.DB(ctx, s.db).
		Raw(`UPDATE mail_requests SET attempts = attempts + 1, next_at = now() + make_interval(secs => ?) WHERE id = (
			SELECT id FROM mail_requests WHERE next_at <= now() ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED)
		RETURNING id, email, purpose, attempts`, leaseMail.Seconds()).Scan(&r)
	if res.Error != nil || res.RowsAffected == 0 {
		return nil, res.Error
	}
	return &r, nil
}

// MailDone implements user.Mails.
func (s *Store) MailDone(ctx context.Context, id int64) error {
	return postgres.DB(ctx, s.db).Exec("DELETE FROM mail_requests WHERE id = ?", id).Error
}

// MailLater implements user.Mails.
func (s *Store) MailLater(ctx context.Context, id int64, pause time.Duration) error {
	return postgres.DB(ctx, s.db).Exec("UPDATE mail_requests SET next_at = now() + make_interval(secs => ?) WHERE id = ?",
		pause.Seconds(), id).Error
}

// AddToken implements user.Mails.
func (s *Store) AddToken(ctx context.Context, userID, email string, p user.Purpose, hash []byte, lifetime time.Duration,
	anHour int) (bool, error) {
	// hash must not come first: GORM takes bytes right after a parenthesis for a list.
	res := postgres.DB(ctx, s.db).Exec(`INSERT INTO mail_tokens (user_id, hash, purpose, email, expires_at)
		SELECT ?, ?::bytea, ?, ?, now() + make_interval(secs => ?)
		WHERE (SELECT count(*) FROM mail_tokens WHERE user_id = ? AND purpose = ? AND sent
		AND created_at > now() - interval '1 hour') < ?`,
		userID, hash, p, email, lifetime.Seconds(), userID, p, anHour)
	if res.Error != nil {
		return false, fmt.Errorf("keep token: %w", res.Error)
	}
	return res.RowsAffected == 1, nil
}

// TokenUnsent implements user.Mails.
func (s *Store) TokenUnsent(ctx context.Context, hash []byte) error {
	return postgres.DB(ctx, s.db).Exec("UPDATE mail_tokens SET sent = false WHERE hash = ?", hash).Error
}

// FindToken implements user.Mails.
func (s *Store) FindToken(ctx context.Context, p user.Purpose, hash []byte) (*user.User, error) {
	db := postgres.DB(ctx, s.db)
	var userID string
	res := db.Raw("SELECT user_id FROM mail_tokens WHERE hash = ? AND purpose = ? AND expires_at > now()", hash,
		p).Scan(&userID)
	if res.Error != nil {
		return nil, fmt.Errorf("find token: %w", res.Error)
	}
	if res.RowsAffected == 0 {
		return nil, user.ErrInvalidToken
	}
	return s.Find(ctx, userID)
}

// UseToken implements user.Mails. With it go the account's other tokens of its purpose.
func (s *Store) UseToken(ctx context.Context, p user.Purpose, hash []byte,
	change func(u *user.User, email string) (user.EventKind, error)) (*user.User, error) {
	var u *user.User
	err := postgres.InTx(ctx, s.db, func(ctx context.Context, tx *gorm.DB) error {
		var used struct{ UserID, Email string }
		res := tx.Raw(`DELETE FROM mail_tokens WHERE hash = ? AND purpose = ? AND expires_at > now()
			RETURNING user_id, email`, hash, p).Scan(&used)
		if res.Error != nil {
			return fmt.Errorf("use token: %w", res.Error)
		}
		if res.RowsAffected == 0 {
			return user.ErrInvalidToken
		}
		var err error
		if u, err = lock(tx, used.UserID); err != nil {
			return err
		}
		kind, err := change(u, used.Email)
		if err != nil {
			return err
		}
		// Expired, not deleted: they count as mails of the last hour.
		err = tx.Exec(`UPDATE mail_tokens SET expires_at = now()
			WHERE user_id = ? AND purpose = ? AND expires_at > now()`, used.UserID, p).Error
		if err != nil {
			return err
		}
		return s.save(ctx, tx, u, kind)
	})
	return u, err
}

// ForgetMail implements user.Mails.
func (s *Store) ForgetMail(ctx context.Context) error {
	return s.db.WithContext(ctx).Exec("DELETE FROM mail_tokens WHERE expires_at < now() - interval '1 hour'").Error
}
