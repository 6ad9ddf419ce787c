import { expect, test } from 'vitest'
import { groupDigits, luhn, parseExpiry } from './card'
import { formatRemaining } from './clock'

test.each([
  ['4242424242424242', true],
  ['4000000000000341', true],
  ['4242424242424241', false],
  ['4242', false],
  ['', false],
  ['42424242424242424242', false],
])('the card number %j is valid: %j', (number, want) => expect(luhn(number)).toBe(want))

const now = new Date(2026, 10, 15)
test.each([
  ['12/26', { exp_month: 12, exp_year: 2026 }],
  ['11/26', { exp_month: 11, exp_year: 2026 }],
  ['8 / 2030', { exp_month: 8, exp_year: 2030 }],
  ['0830', { exp_month: 8, exp_year: 2030 }],
  ['10/26', undefined],
  ['13/30', undefined],
  ['0/30', undefined],
  ['12', undefined],
])('the expiry %j is %j', (text, want) => expect(parseExpiry(text, now)).toEqual(want))

test('digits are grouped', () => {
  expect(groupDigits('4242424242424242')).toBe('4242 4242 4242 4242')
  expect(groupDigits('42-42 4')).toBe('4242 4')
})

test.each([
  [754_000, '12:34'],
  [59_001, '01:00'],
  [0, '00:00'],
  [3_661_000, '1:01:01'],
])('%d ms are shown as %s', (ms, want) => expect(formatRemaining(ms)).toBe(want))
