package inventory

import (
	"testing"

	"daprmall.dev/services/kit/problem"
)

func TestAdjustmentsCannotTakeReservedStock(t *testing.T) {
	for _, c := range []struct {
		delta int64
		want  problem.Kind
	}{{1, ""}, {-6, ""}, {-7, problem.Conflict}, {-11, problem.Conflict}, {MaxQuantity, problem.Invalid}} {
		s := Stock{ProductID: "7", OnHand: 10, Reserved: 4, Version: 3}
		e, err := s.Adjust(Adjustment{Delta: c.delta, Actor: "5"})
		if problem.KindOf(err) != c.want {
			t.Errorf("%d: %v, want kind %q", c.delta, err, c.want)
		}
		if err == nil && (s.OnHand != 10+c.delta || s.Version != 4 || e.After != s || e.OnHandDelta != c.delta) {
			t.Errorf("%d: %+v, %+v", c.delta, s, e)
		}
		if err != nil && s.OnHand != 10 {
			t.Errorf("%d was refused and left %+v", c.delta, s)
		}
	}
}
