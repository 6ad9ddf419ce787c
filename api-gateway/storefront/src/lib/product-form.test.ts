import { expect, test } from 'vitest'
import type { Product } from '../api/client'
import { differing, isWhole, toBody, toFields, toNew } from './product-form'

const product = {
  id: '1', seller_id: '2', name: 'Teapot', description: 'Holds a litre.', category: 'Home/Kitchen', image_url: '/a.svg', pictures: [{ url: '/a.svg' }],
  price: 12900, currency: 'CNY', available: 4, stock_tracked: true, max_per_order: 3, version: 7, created_at: '', updated_at: '',
} as Product

test('a product that is not changed is sent as it was', () => {
  const sent = toBody(toFields(product, 2), 2)
  expect(sent).toEqual({ name: 'Teapot', description: 'Holds a litre.', category: 'Home/Kitchen', price: 12900, sku: '', max_per_order: 3, stock_tracked: true, pictures: [{ url: '/a.svg' }] })
})

test('prices have as many decimals as the currency', () => {
  expect(toFields(product, 0).price).toBe('12900')
  expect(toFields({ ...product, price: 5 } as Product, 2).price).toBe('0.05')
  expect(toFields({ ...product, price: 1234 } as Product, 3).price).toBe('1.234')
})

test('an empty maximum is removed, and a new product has none', () => {
  const fields = { ...toFields(product, 2), max_per_order: ' ', stock: '9' }
  expect(toBody(fields, 2).max_per_order).toBeNull()
  expect(toNew(fields, 2)).not.toHaveProperty('max_per_order')
  expect(toNew(fields, 2)).not.toHaveProperty('sku')
  expect(toNew(fields, 2).stock).toBe(9)
  expect(toNew({ ...fields, stock_tracked: false }, 2)).not.toHaveProperty('stock')
})

test('differences are named, but not the stock, which is no field of a product', () => {
  const mine = toFields(product, 2)
  expect(differing(mine, mine)).toEqual([])
  expect(differing(mine, { ...mine, price: '1.00', stock: '3', pictures: [] })).toEqual(['price', 'pictures'])
})

test('whole numbers', () => {
  for (const good of ['0', '12', ' 7 ']) expect(isWhole(good), good).toBe(true)
  for (const bad of ['', '-1', '1.5', 'x', '12345678901']) expect(isWhole(bad), bad).toBe(false)
  expect(isWhole('0', 1)).toBe(false)
})
