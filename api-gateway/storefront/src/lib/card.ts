/** Whether the digits of a card number fit each other (ISO/IEC 7812, Luhn). */
export function luhn(number: string): boolean {
  if (!/^\d{12,19}$/.test(number)) return false
  const sum = [...number].reverse().reduce((total, digit, i) => {
    const doubled = Number(digit) * (i % 2 ? 2 : 1)
    return total + (doubled > 9 ? doubled - 9 : doubled)
  }, 0)
  return sum % 10 === 0
}

/** Reads 08/30 or 08 / 2030; undefined if it is no month or is over. */
export function parseExpiry(text: string, now = new Date()): { exp_month: number; exp_year: number } | undefined {
  const match = /^\s*(\d{1,2})\s*\/?\s*(\d{2}|\d{4})\s*$/.exec(text)
  if (!match) return undefined
  const exp_month = Number(match[1])
  const exp_year = match[2]!.length === 2 ? 2000 + Number(match[2]) : Number(match[2])
  const over = exp_year < now.getFullYear() || (exp_year === now.getFullYear() && exp_month < now.getMonth() + 1)
  return exp_month < 1 || exp_month > 12 || over ? undefined : { exp_month, exp_year }
}

/** Groups digits as they are printed on the card. */
export const groupDigits = (text: string) => text.replace(/\D/g, '').slice(0, 19).replace(/(.{4})(?=.)/g, '$1 ')
