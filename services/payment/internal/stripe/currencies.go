package stripe

import (
	"fmt"
	"slices"
	"strings"

	"daprmall.dev/services/payment/internal/payment"
)

// Currencies that Stripe supports (https://docs.stripe.com/currencies), by the unit of an amount there. The mall counts
// in the minor units of ISO 4217. Others are refused, because a wrong exponent charges a hundred times too much.
var (
	// Two decimals in ISO 4217 and at Stripe. For HUF and TWD only payouts are whole; charges have decimals.
	twoDecimals = strings.Fields(`AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BWP BYN BZD
		CAD CDF CHF CNY COP CRC CVE CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS
		INR JMD KES KGS KHR KYD KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD
		NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SEK SGD SHP SLE SOS SRD SZL
		THB TJS TOP TRY TTD TWD TZS UAH USD UYU UZS WST XCD YER ZAR ZMW`)
	// No decimals in ISO 4217 and at Stripe.
	noDecimals = strings.Fields("BIF CLP DJF GNF JPY KMF KRW PYG RWF VND VUV XAF XOF XPF")
	// No decimals in ISO 4217; Stripe counts in hundredths that must be zero.
	hundredfold = strings.Fields("ISK UGX")
	// Two decimals in ISO 4217; Stripe counts in whole units.
	hundredth = strings.Fields("MGA")
	// Three decimals in ISO 4217 and at Stripe, where the last digit must be zero.
	threeDecimals = strings.Fields("BHD JOD KWD OMR TND")
)

// Charges implements payment.Provider.
func (*Provider) Charges(currency string) bool {
	return slices.ContainsFunc([][]string{twoDecimals, noDecimals, hundredfold, hundredth, threeDecimals},
		func(list []string) bool { return slices.Contains(list, currency) })
}

// units returns an amount of the mall in Stripe's unit. Where Stripe takes only tens it is rounded to the nearest: at
// most five thousandths more or less. A refund is always of the whole charge, so it is the same amount.
func units(amount int64, currency string) (int64, error) {
	in := func(list []string) bool { return slices.Contains(list, currency) }
	const most = 99_999_999_99 // far above what Stripe accepts, far below an overflow
	switch {
	case amount < 0 || amount > most:
	case in(twoDecimals), in(noDecimals):
		return amount, nil
	case in(hundredfold):
		return amount * 100, nil
	case in(hundredth) && amount%100 == 0:
		return amount / 100, nil
	case in(threeDecimals):
		return (amount + 5) / 10 * 10, nil
	}
	return 0, fmt.Errorf("%w: %d %s at Stripe", payment.ErrNotChargeable, amount, currency)
}
