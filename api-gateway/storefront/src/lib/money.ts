/** Shows an amount of minor units, such as 1299 as ¥12.99, in the language of the page. */
export function formatMoney(amount: number, currency: string, language: string): string {
  const format = new Intl.NumberFormat(language, { style: 'currency', currency, currencyDisplay: 'narrowSymbol' })
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2
  return format.format(amount / 10 ** digits)
}

/** Reads what a person typed as a price, such as 12.99, as minor units; undefined if it is none. */
export function parseMoney(text: string, exponent: number): number | undefined {
  const match = /^\s*(\d{1,12})(?:[.,](\d*))?\s*$/.exec(text)
  const decimals = match?.[2] ?? ''
  if (!match || decimals.length > exponent) return undefined
  return Number(match[1]) * 10 ** exponent + Number(decimals.padEnd(exponent, '0') || 0)
}
