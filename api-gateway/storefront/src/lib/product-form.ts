import type { Product, Schemas } from '../api/client'
import { parseMoney } from './money'

/** What the form of a product holds: texts, as they are typed. */
export type ProductFields = {
  name: string
  description: string
  category: string
  price: string
  sku: string
  max_per_order: string
  stock: string
  stock_tracked: boolean
  pictures: { url: string; alt: string }[]
}

export const noFields: ProductFields = { name: '', description: '', category: '', price: '', sku: '', max_per_order: '', stock: '', stock_tracked: true, pictures: [] }

export function toFields(product: Product, exponent: number): ProductFields {
  return {
    name: product.name,
    description: product.description,
    category: product.category,
    price: (product.price / 10 ** exponent).toFixed(exponent),
    sku: product.sku ?? '',
    max_per_order: product.max_per_order?.toString() ?? '',
    stock: '',
    stock_tracked: product.stock_tracked,
    pictures: product.pictures.map(({ url, alt }) => ({ url, alt: alt ?? '' })),
  }
}

export const isWhole = (text: string, least = 0) => /^\d{1,10}$/.test(text.trim()) && Number(text) >= least

type Body = Required<Omit<Schemas['ProductChange'], 'image_url' | 'price'>> & { price: number }

/** What is sent. It is only called with fields that were checked. */
export function toBody(fields: ProductFields, exponent: number): Body {
  const max = fields.max_per_order.trim()
  return {
    name: fields.name.trim(),
    description: fields.description,
    category: fields.category.trim(),
    price: parseMoney(fields.price, exponent) ?? 0,
    sku: fields.sku.trim(),
    max_per_order: max === '' ? null : Number(max),
    stock_tracked: fields.stock_tracked,
    pictures: fields.pictures.map(({ url, alt }) => ({ url: url.trim(), ...(alt.trim() && { alt: alt.trim() }) })),
  }
}

/** What a new product is made of: it has no maximum to remove. */
export function toNew(fields: ProductFields, exponent: number): Schemas['NewProduct'] {
  const { max_per_order, sku, ...rest } = toBody(fields, exponent)
  return {
    ...rest,
    ...(sku && { sku }),
    ...(max_per_order && { max_per_order }),
    ...(fields.stock_tracked && { stock: Number(fields.stock) }),
  }
}

/** The fields in which two versions differ, as names of texts. */
export function differing(mine: ProductFields, theirs: ProductFields): (keyof ProductFields)[] {
  return (Object.keys(mine) as (keyof ProductFields)[]).filter((name) => name !== 'stock' && JSON.stringify(mine[name]) !== JSON.stringify(theirs[name]))
}
