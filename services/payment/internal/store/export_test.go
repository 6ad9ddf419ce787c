package store

// The statements by which work is claimed, to look at their plans.
const (
	NextUnsettled = nextUnsettled
	NextRefund    = nextRefund
)
