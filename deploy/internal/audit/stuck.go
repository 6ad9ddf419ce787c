package audit

import "fmt"

const (
	ruleDue     = "no order awaits payment past its time"
	ruleAttempt = "no attempt without an outcome"
	ruleRefund  = "no refund that is not done"
)

// longestRefund is how long, in seconds, a provider may take for a refund before an operator has to ask.
const longestRefund = 30 * 24 * 3600

// stuckBook finds what should have ended. Holds are checked with the gate, and reservations without an unpaid order in
// C2, where the stock of an order is compared with its status.
func (f *facts) stuckBook(b *Book) {
	open := 0
	for id, o := range f.orders {
		if o.status != "awaiting_payment" {
			continue
		}
		open++
		if o.sinceDue > 0 {
			l := Violation
			if o.sinceDue < f.grace+mayDisagree {
				l = InFlight
			}
			b.add(l, ruleDue, fmt.Sprintf("order %d", id),
				"it awaits payment %.0f s after it was due; %.0f s of grace and %d s to be cancelled are allowed", o.sinceDue,
				f.grace,
				mayDisagree)
		}
	}
	processing := 0
	for id, p := range f.payments {
		if p.status == "requires_action" && f.bills[p.order].status == "open" { // as long as there is time to pay
			processing++
			continue
		}
		if p.status == "processing" || p.status == "requires_action" {
			processing++
			b.add(level(p.sinceCreated), ruleAttempt, fmt.Sprintf("payment %d", id), "order %d: %s for %.0f s", p.order,
				p.status,
				p.sinceCreated)
		}
	}
	pending := 0
	for _, v := range f.refunds {
		if !v.done {
			pending++
			if v.status == "pending" && v.age < longestRefund { // the provider has it, and takes days for some banks
				continue
			}
			b.add(level(v.age), ruleRefund, fmt.Sprintf("payment %d", v.payment), "a refund of %d has been due for %.0f s",
				v.amount,
				v.age)
		}
	}
	b.look("%d orders await payment, %d attempts and %d refunds are in progress", open, processing, pending)
}
