import { expect, test } from 'vitest'
import { formatMoney, parseMoney } from './money'

test.each([
  [1299, 'CNY', 'en', '¥12.99'],
  [1299, 'CNY', 'zh', '¥12.99'],
  [1299, 'JPY', 'en', '¥1,299'],
  [0, 'EUR', 'en', '€0.00'],
  [1234500, 'KWD', 'en', 'KWD 1,234.500'],
])('%d minor units of %s in %s are %s', (amount, currency, language, want) => {
  expect(formatMoney(amount, currency, language).replace(/\u00a0/g, ' ')).toBe(want)
})

test.each([
  ['12.99', 2, 1299],
  ['12,9', 2, 1290],
  ['12', 2, 1200],
  ['12.', 2, 1200],
  ['1299', 0, 1299],
  ['12.999', 2, undefined],
  ['12.9', 0, undefined],
  ['-1', 2, undefined],
  ['', 2, undefined],
  ['1e3', 2, undefined],
])('%j with %d decimals is %j', (text, exponent, want) => {
  expect(parseMoney(text, exponent)).toBe(want)
})
