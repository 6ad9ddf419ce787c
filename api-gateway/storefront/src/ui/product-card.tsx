import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import type { Product } from '../api/client'
import { useFormat } from '../lib/format'
import { Picture } from './picture'

/** From how many units on a product says how few are left. */
export const few = 10

export function Stock({ available }: { available: number | null }) {
  const { t } = useTranslation()
  if (available === 0) return <span className="font-medium text-red-800">{t('product.sold_out')}</span>
  if (available !== null && available <= few) return <span className="font-medium text-amber-800">{t('product.left', { count: available })}</span>
  return <span className="text-brand-800">{t('product.in_stock')}</span>
}

/** heading is its level below the heading above the grid. */
type Heading = 'h2' | 'h3'

export function ProductCard({ product, eager, heading: Name }: { product: Product; eager: boolean; heading: Heading }) {
  const { money } = useFormat()
  return (
    <article className="group relative">
      <Picture src={product.image_url} alt="" eager={eager} className={product.available === 0 ? 'opacity-60' : ''} />
      <Name className="mt-3 font-medium">
        <Link to={`/products/${product.id}`} className="after:absolute after:inset-0 group-hover:underline">{product.name}</Link>
      </Name>
      <p className="mt-1 flex flex-wrap items-baseline justify-between gap-x-3">
        <span className="whitespace-nowrap font-semibold">{money(product.price, product.currency)}</span>
        <span className="text-sm"><Stock available={product.available} /></span>
      </p>
    </article>
  )
}

export function ProductGrid({ products, eager = 0, heading }: { products: Product[]; eager?: number; heading: Heading }) {
  return (
    <ul className="grid grid-cols-2 gap-x-4 gap-y-8 md:grid-cols-3 lg:grid-cols-4">
      {products.map((product, i) => <li key={product.id}><ProductCard product={product} eager={i < eager} heading={heading} /></li>)}
    </ul>
  )
}

export function GridPlaceholder() {
  const { t } = useTranslation()
  return (
    <div role="status" className="late grid grid-cols-2 gap-x-4 gap-y-8 md:grid-cols-3 lg:grid-cols-4">
      <span className="sr-only">{t('shop.loading')}</span>
      {Array.from({ length: 8 }, (_, i) => (
        <div key={i} className="animate-pulse">
          <div className="aspect-square rounded-lg bg-slate-200" />
          <div className="mt-3 h-5 w-3/4 rounded bg-slate-200" />
          <div className="mt-2 h-5 w-1/3 rounded bg-slate-200" />
        </div>
      ))}
    </div>
  )
}
