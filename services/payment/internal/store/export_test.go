package store

// The statements that claim work, so that tests can check their plans.
const (
	NextUnsettled = nextUnsettled
	NextRefund    = nextRefund
)
