package idempotency

import "daprmall.dev/services/kit/idempotency/keyed"

// A service that writes the effect of a request by one statement can join the key to it: a transaction of several
// statements costs four more round trips. These are parts of such a statement, for its WITH. What they do not do,
// because the key is taken or the condition is false, is done in a transaction by Store.Do.

// ClaimPart claims a new key if a condition holds. It takes the arguments of ClaimArgs. Locks are taken in the order
// key, then what it stands for, as in a transaction of Store.Do, which continues a claim that did not begin the
// request.
func ClaimPart(condition string) string {
	return `INSERT INTO idempotency_keys (user_id, key, fingerprint, effect_id, lease_until)
		SELECT ?::bigint, ?, ?::bytea, ?::bigint, now() + make_interval(secs => ?)
		WHERE ` + condition + ` ON CONFLICT (user_id, key) DO NOTHING RETURNING user_id, key, effect_id`
}

// ClaimArgs are the arguments of ClaimPart.
func ClaimArgs(r keyed.Run) []any {
	return []any{r.User, r.Key, kept(r.Fingerprint), r.EffectID, leaseFor.Seconds()}
}

// FinishPart stores the answer of a key if a condition holds. It takes the arguments of FinishArgs.
func FinishPart(condition string) string {
	return "UPDATE idempotency_keys SET status = ?, etag = ?, body = ? WHERE user_id = ? AND key = ? AND status IS NULL " +
		"AND " + condition
}

// FinishArgs are the arguments of FinishPart; only an answer that is Kept may be given.
func FinishArgs(r keyed.Run, a keyed.Answer) []any {
	return []any{a.Status, a.ETag, string(a.Body), r.User, r.Key}
}
