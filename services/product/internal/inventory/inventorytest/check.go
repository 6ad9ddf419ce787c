package inventorytest

import (
	"errors"
	"time"

	"daprmall.dev/services/product/internal/inventory"
)

// The fake refuses what the component refuses.
var errInvalid = errors.New("invalid input")

func refuseUnless(ok bool) error {
	if !ok {
		return errInvalid
	}
	return nil
}

func checkID(id string) error {
	ok := len(id) >= 1 && len(id) <= 64
	for _, r := range id {
		ok = ok && (r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '_' || r == '.')
	}
	return refuseUnless(ok)
}

func checkCursor(cursor string) error {
	if cursor == "" {
		return nil
	}
	return checkID(cursor)
}

func checkKey(key string) error {
	ok := len(key) >= 1 && len(key) <= 256
	for _, r := range key {
		ok = ok && r >= 0x21 && r <= 0x7e
	}
	return refuseUnless(ok)
}

func checkTTL(ttl time.Duration) error {
	return refuseUnless(ttl >= time.Millisecond && ttl.Milliseconds() <= (24*time.Hour).Milliseconds())
}

func checkLimit(limit int) error { return refuseUnless(limit >= 1 && limit <= 1000) }

func checkHold(id string, lines []inventory.Line) error {
	err := errors.Join(checkID(id), refuseUnless(len(lines) >= 1 && len(lines) <= 200))
	for _, l := range lines {
		err = errors.Join(err, checkID(l.ProductID), refuseUnless(l.Quantity >= 1 && l.Quantity <= 1_000_000_000))
	}
	return err
}

func checkApply(items []inventory.Apply) error {
	const most = 1_000_000_000_000
	err := refuseUnless(len(items) >= 1 && len(items) <= 1000)
	for _, it := range items {
		base, version := it.Stock.Available(), it.Stock.Version
		err = errors.Join(
			err, checkID(it.Stock.ProductID), refuseUnless(base >= 0 && base <= most && version >= 0 && version <= most),
		)
		if it.InsteadOf != nil {
			err = errors.Join(err, refuseUnless(*it.InsteadOf >= 0 && *it.InsteadOf <= most))
		}
		for _, id := range it.Recorded {
			err = errors.Join(err, checkID(id))
		}
	}
	return err
}

func checkInspect(ids []string) error {
	err := refuseUnless(len(ids) <= 1000)
	for _, id := range ids {
		err = errors.Join(err, checkID(id))
	}
	return err
}
