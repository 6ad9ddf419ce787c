// Package store keeps sessions in PostgreSQL.
package store

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"daprmall.dev/services/auth/internal/auth"
	"daprmall.dev/services/contracts/authv1"
	"daprmall.dev/services/kit/ids"
	"daprmall.dev/services/kit/postgres"
	"daprmall.dev/services/kit/problem"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations creates the tables of sessions.
var Migrations = postgres.Migrations{Name: "auth", FS: files}

// repeatWithin is how long a client that did not receive the answer may use the same refresh token again.
const repeatWithin = 60 * time.Second

// commitDelay is how long a revocation may take from getting its time to its commit. Polls look back this far, so that
// they do not miss one.
const commitDelay = 60 * time.Second

// Store is auth.Store on PostgreSQL.
type Store struct{ db *gorm.DB }

// New makes a store.
func New(db *gorm.DB) *Store { return &Store{db} }

// Open implements auth.Store. It locks the account's row as Learn does, so that a ban either sees the session or
// prevents it.
func (s *Store) Open(ctx context.Context, sessionID string, a auth.Account, token []byte,
	l auth.Lifetimes) (auth.Session, time.Time, error) {
	var session auth.Session
	var now time.Time
	err := postgres.InTx(ctx, s.db, func(_ context.Context, tx *gorm.DB) error {
		known, found, err := lockAccount(tx, a.ID)
		if err == nil && !found {
			if _, err = insertAccount(tx, a); err == nil {
				known, _, err = lockAccount(tx, a.ID)
			}
		}
		switch {
		case err != nil:
			return err
		case known.doubtful || !known.Same(a):
			return auth.ErrOutdated
		case known.Banned:
			return problem.New(problem.Forbidden, "banned", "This account is banned.")
		}
		if now, err = issueTime(tx, a.ID); err != nil {
			return err
		}
		if err := tx.Exec("INSERT INTO sessions (id, user_id, created_at, last_used_at, password_id) VALUES (?, ?, ?, ?, ?)",
			sessionID, a.ID, now, now, a.PasswordID).Error; err != nil {
			return fmt.Errorf("open session: %w", err)
		}
		session = auth.Session{ID: sessionID, UserID: a.ID, Roles: known.Roles, Ends: now.Add(l.Session)}
		return insertToken(tx, token, session, now.Add(l.Refresh))
	})
	return session, now, err
}

func insertToken(tx *gorm.DB, hash []byte, session auth.Session, expires time.Time) error {
	if expires.After(session.Ends) {
		expires = session.Ends
	}
	// hash must not come first: GORM takes bytes right after a parenthesis for a list.
	err := tx.Exec("INSERT INTO refresh_tokens (session_id, hash, expires_at) VALUES (?, ?, ?)", session.ID, hash,
		expires).Error
	if err != nil {
		return fmt.Errorf("keep refresh token: %w", err)
	}
	return nil
}

func databaseNow(tx *gorm.DB) (time.Time, error) {
	var now time.Time
	err := tx.Raw("SELECT clock_timestamp()").Scan(&now).Error
	return now.UTC(), err
}

// issueTime is the earliest time at which a token can be issued that no revocation of the user voids. A revocation
// voids tokens up to the end of its millisecond.
func issueTime(tx *gorm.DB, userID string) (time.Time, error) {
	var now time.Time
	err := tx.Raw(`SELECT greatest(clock_timestamp(), (SELECT date_trunc('milliseconds',
		not_before) + interval '1 millisecond'
		FROM revocations WHERE kind = ? AND subject = ?))`, authv1.KindUser, userID).Scan(&now).Error
	return now.UTC(), err
}

type tokenRow struct {
	SessionID string
	UserID    string
	CreatedAt time.Time
	Successor []byte
	Used      bool
	UsedLong  bool
	Dead      bool
}

// Rotate implements auth.Store.
func (s *Store) Rotate(ctx context.Context, token []byte, successors [][]byte, l auth.Lifetimes,
	revocationTTL time.Duration) (auth.Rotation, error) {
	var r auth.Rotation
	err := postgres.InTx(ctx, s.db, func(_ context.Context, tx *gorm.DB) error {
		r = auth.Rotation{}
		var userID string
		res := tx.Raw("SELECT s.user_id FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id WHERE t.hash = ?",
			token).Scan(&userID)
		if res.Error != nil || res.RowsAffected == 0 {
			return res.Error
		}
		// Locks the account's row first, in the same order as everywhere; it also serialises repetitions of one token.
		account, _, err := lockAccount(tx, userID)
		if err != nil {
			return err
		}
		var t tokenRow
		err = tx.Raw(`SELECT t.session_id, s.user_id, s.created_at, t.successor, t.used_at IS NOT NULL AS used,
				coalesce(t.used_at < clock_timestamp() - make_interval(secs => ?), false) AS used_long,
				s.ended_at IS NOT NULL OR t.expires_at <= clock_timestamp()
					OR s.created_at <= clock_timestamp() - make_interval(secs => ?) AS dead
			FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id WHERE t.hash = ?`,
			repeatWithin.Seconds(), l.Session.Seconds(), token).Scan(&t).Error
		if err != nil || t.Dead || account.Banned {
			return err
		}
		if account.doubtful {
			r.DoubtfulAccount = userID
			return nil
		}
		now, err := issueTime(tx, userID)
		if err != nil {
			return err
		}
		session := auth.Session{ID: t.SessionID, UserID: t.UserID, Roles: account.Roles,
			Ends: t.CreatedAt.UTC().Add(l.Session)}
		if t.Used {
			r.Successor = slices.IndexFunc(successors, func(s []byte) bool { return bytes.Equal(s, t.Successor) })
			if r.Successor < 0 {
				return endSession(tx, t.SessionID, now, revocationTTL)
			}
			if ok, err := mayRepeat(tx, t); err != nil || !ok {
				if err == nil {
					err = endSession(tx, t.SessionID, now, revocationTTL)
				}
				return err
			}
		} else {
			if err := tx.Exec("UPDATE refresh_tokens SET used_at = ?, successor = ? WHERE hash = ?", now, successors[0],
				token).Error; err != nil {
				return err
			}
			if err := insertToken(tx, successors[0], session, now.Add(l.Refresh)); err != nil {
				return err
			}
			if err := tx.Exec("UPDATE sessions SET last_used_at = ? WHERE id = ?", now, t.SessionID).Error; err != nil {
				return err
			}
		}
		r = auth.Rotation{OK: true, Now: now, Session: session, Successor: r.Successor}
		return nil
	})
	return r, err
}

// mayRepeat reports whether a used token may be used again: the answer may have been lost, so for a while, and as long
// as the successor is unused, the same successor is returned.
func mayRepeat(tx *gorm.DB, t tokenRow) (bool, error) {
	if t.UsedLong {
		return false, nil
	}
	var used bool
	err := tx.Raw("SELECT used_at IS NOT NULL FROM refresh_tokens WHERE hash = ?", t.Successor).Scan(&used).Error
	return !used, err
}

// End implements auth.Store.
func (s *Store) End(ctx context.Context, userID, sessionID string, revocationTTL time.Duration) (bool, error) {
	open := false
	err := postgres.InTx(ctx, s.db, func(_ context.Context, tx *gorm.DB) error {
		if err := tx.Raw("SELECT EXISTS (SELECT 1 FROM sessions WHERE id = ? AND user_id = ? AND ended_at IS NULL)",
			sessionID, userID).
			Scan(&open).Error; err != nil || !open {
			return err
		}
		now, err := databaseNow(tx)
		if err != nil {
			return err
		}
		return endSession(tx, sessionID, now, revocationTTL)
	})
	return open, err
}

// List implements auth.Store.
func (s *Store) List(ctx context.Context, userID, before string, limit int,
	sessionTTL time.Duration) ([]auth.OpenSession,
	error) {
	q := `SELECT s.id, s.created_at AS created, coalesce(s.last_used_at, s.created_at) AS last_used,
		max(t.expires_at) AS ends
		FROM sessions s JOIN refresh_tokens t ON t.session_id = s.id
		WHERE s.user_id = ? AND s.ended_at IS NULL AND s.created_at > clock_timestamp() - make_interval(secs => ?)`
	args := []any{userID, sessionTTL.Seconds()}
	if before != "" {
		q += " AND s.id < ?"
		args = append(args, before)
	}
	q += " GROUP BY s.id HAVING max(t.expires_at) > clock_timestamp() ORDER BY s.id DESC LIMIT ?"
	var list []auth.OpenSession
	if err := s.db.WithContext(ctx).Raw(q, append(args, limit)...).Scan(&list).Error; err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	for i := range list {
		o := &list[i]
		o.Created, o.LastUsed, o.Ends = o.Created.UTC(), o.LastUsed.UTC(), o.Ends.UTC()
	}
	return list, nil
}

func endSession(tx *gorm.DB, sessionID string, now time.Time, revocationTTL time.Duration) error {
	if err := tx.Exec("UPDATE sessions SET ended_at = ? WHERE id = ? AND ended_at IS NULL", now,
		sessionID).Error; err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	// No token of an ended session is ever valid again: its not_before is later than any token of the session.
	return revoke(tx, authv1.KindSession, sessionID, now.Add(revocationTTL), now, revocationTTL)
}

func revoke(tx *gorm.DB, kind, subject string, notBefore, now time.Time, ttl time.Duration) error {
	err := tx.Exec(`INSERT INTO revocations AS r (kind, subject, not_before, created_at, expires_at) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (kind, subject) DO UPDATE SET not_before = greatest(r.not_before, excluded.not_before),
			created_at = excluded.created_at, expires_at = excluded.expires_at`, kind, subject, notBefore, now,
		now.Add(ttl)).Error
	if err != nil {
		return fmt.Errorf("revoke %s: %w", kind, err)
	}
	return nil
}

// Revocations lists the revocations that were created after since, less commitDelay, or all in force if since is zero.
// With a limit it returns that many, in the order of their creation, and Next for the next page. A subject that is
// revoked again meanwhile is listed again, and none is skipped.
func (s *Store) Revocations(ctx context.Context, since time.Time, after string, limit int) (authv1.Revocations, error) {
	db := s.db.WithContext(ctx)
	now, err := databaseNow(db)
	if err != nil {
		return authv1.Revocations{}, err
	}
	var rows []struct {
		Kind      string
		Subject   string
		NotBefore time.Time
		CreatedAt time.Time
		ExpiresAt time.Time
	}
	q := "SELECT kind, subject, not_before, created_at, expires_at FROM revocations WHERE expires_at > ?"
	args := []any{now}
	if !since.IsZero() {
		q += " AND created_at > ?"
		args = append(args, since.Add(-commitDelay))
	}
	if after != "" {
		at, kind, subject, err := parseNext(after)
		if err != nil {
			return authv1.Revocations{}, err
		}
		q += " AND (created_at, kind, subject) > (?, ?, ?)"
		args = append(args, at, kind, subject)
	}
	q += " ORDER BY created_at, kind, subject"
	if limit > 0 {
		q += " LIMIT ?"
		args = append(args, limit)
	}
	if err := db.Raw(q, args...).Scan(&rows).Error; err != nil {
		return authv1.Revocations{}, fmt.Errorf("list revocations: %w", err)
	}
	out := authv1.Revocations{Items: make([]authv1.Revocation, len(rows)), Now: now}
	for i, r := range rows {
		out.Items[i] = authv1.Revocation{Kind: r.Kind, Subject: r.Subject, NotBefore: roundUpToMilli(r.NotBefore),
			CreatedAt: r.CreatedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC()}
		if limit > 0 && i == limit-1 {
			out.Next = r.CreatedAt.UTC().Format(time.RFC3339Nano) + "," + r.Kind + "," + r.Subject
		}
	}
	return out, nil
}

// roundUpToMilli returns Unix milliseconds. A token says in which millisecond it was issued. With rounding down, a ban
// would spare a token that was issued before it in the same millisecond. With rounding up it also voids one that was
// issued after it in that millisecond; the client gets another one for its refresh token.
func roundUpToMilli(at time.Time) int64 {
	return at.Add(time.Millisecond - time.Nanosecond).UnixMilli()
}

// parseNext reads a Next that Revocations has made.
func parseNext(next string) (at time.Time, kind, subject string, err error) {
	parts := strings.Split(next, ",")
	if len(parts) == 3 && ids.Valid(parts[2]) {
		if at, err = time.Parse(time.RFC3339Nano, parts[0]); err == nil {
			return at, parts[1], parts[2], nil
		}
	}
	return at, "", "", problem.Validation(problem.Field{Field: "after", Message: "is no next of an answer"})
}
