// Package ids reads Snowflake ids: 63 bits, ordered by the time they were made. On the wire they are decimal texts.
package ids

import (
	"strconv"
	"time"

	"github.com/bwmarrin/snowflake"
)

// timeShift is how many bits of an id lie below its time. The library's own ID.Time reads variables that NewNode
// writes, which is a race with a goroutine that makes ids.
const timeShift = 22

var epoch = snowflake.Epoch

// Valid reports whether s is a decimal id as it stands on the wire.
func Valid(s string) bool {
	if len(s) == 0 || len(s) > 19 || s[0] < '1' || s[0] > '9' {
		return false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return err == nil && n > 0
}

// Made says when an id was made, by the clock of its maker.
func Made(s string) time.Time {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(n>>timeShift + epoch)
}

// FirstAt is the smallest id that can have been made at t.
func FirstAt(t time.Time) int64 { return max(0, t.UnixMilli()-epoch) << timeShift }
