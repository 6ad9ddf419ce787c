package idempotency

// A service that writes what a request does by one statement joins its key to it: a transaction with a statement each costs four
// round trips more. These are the parts of such a statement, for its WITH. What they do not do, because the key is taken or the
// condition does not hold, is left to BeginAs and Finish.

// Run is a request with its key.
type Run struct {
	User, Key   string
	Fingerprint []byte
}

// ClaimPart claims a key that nobody has claimed, if a condition holds. It takes the arguments of Run.ClaimArgs. BeginAs with the same
// effect id takes such a claim up. Whoever claims a key locks what it stands for afterwards, as with Begin.
func ClaimPart(condition string) string {
	return `INSERT INTO idempotency_keys (user_id, key, fingerprint, effect_id, lease_until)
		SELECT ?::bigint, ?, ?::bytea, ?::bigint, now() + make_interval(secs => ?)
		WHERE ` + condition + ` ON CONFLICT (user_id, key) DO NOTHING RETURNING 1`
}

// ClaimArgs are the arguments of ClaimPart.
func (r Run) ClaimArgs(effectID string) []any {
	return []any{r.User, r.Key, kept(r.Fingerprint), effectID, leaseFor.Seconds()}
}

// FinishPart keeps the answer of a key, if a condition holds. It takes the arguments of Run.FinishArgs.
func FinishPart(condition string) string {
	return "UPDATE idempotency_keys SET status = ?, etag = ?, body = ? WHERE user_id = ? AND key = ? AND status IS NULL AND " + condition
}

// FinishArgs are the arguments of FinishPart; only an answer that is Kept may be given.
func (r Run) FinishArgs(a Answer) []any {
	return []any{a.Status, a.ETag, string(a.Body), r.User, r.Key}
}

// NextEffect makes the id of an effect.
func (s *Store) NextEffect() (string, error) { return s.ids.Next() }
