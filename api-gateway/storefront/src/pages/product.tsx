import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useParams } from 'react-router'
import { api, body, type Product as ProductT } from '../api/client'
import { isCode } from '../api/problem'
import { cart, product, useUser } from '../api/queries'
import { addGuest } from '../lib/cart'
import { useFormat } from '../lib/format'
import { Button, LinkButton } from '../ui/button'
import { ErrorNotice, useErrorText } from '../ui/notice'
import { Empty, Page, Placeholder } from '../ui/page'
import { Picture } from '../ui/picture'
import { Stock } from '../ui/product-card'
import { Quantity } from '../ui/quantity'
import { useToast } from '../ui/toast'

export default function Product() {
  const { t } = useTranslation()
  const { id = '' } = useParams()
  const { data, error, refetch } = useQuery(product(id))
  if (isCode(error, 'not_found', 'bad_request')) {
    return (
      <Page title={t('product.gone')}>
        <Empty title={t('product.gone_hint')}><LinkButton to="/products">{t('home.browse')}</LinkButton></Empty>
      </Page>
    )
  }
  if (error) return <ErrorNotice error={error} retry={() => void refetch()} />
  if (!data) return <Placeholder className="h-[32rem]" />
  return <Details key={data.id} product={data} />
}

function Details({ product }: { product: ProductT }) {
  const { t } = useTranslation()
  const { money } = useFormat()
  const levels = product.category ? product.category.split('/') : []
  return (
    <>
      <title>{`${product.name} · ${t('shop.name')}`}</title>
      <meta name="description" content={product.description.slice(0, 160) || product.name} />
      <nav aria-label={t('list.category')} className="mb-4 min-h-6 text-sm text-slate-700">
        {levels.map((level, i) => (
          <span key={i}>
            {i > 0 && <span aria-hidden> / </span>}
            <Link className="inline-flex min-h-6 items-center underline underline-offset-2" to={`/products?category=${encodeURIComponent(levels.slice(0, i + 1).join('/'))}`}>{level}</Link>
          </span>
        ))}
      </nav>
      <div className="grid grid-cols-1 gap-8 md:grid-cols-2">
        <Pictures product={product} />
        <div>
          <h1 className="text-3xl font-bold tracking-tight">{product.name}</h1>
          <p className="mt-3 text-2xl font-semibold">{money(product.price, product.currency)}</p>
          <p className="mt-2"><Stock available={product.available} /></p>
          {product.max_per_order && <p className="mt-1 text-sm text-slate-700">{t('product.limit', { count: product.max_per_order })}</p>}
          {product.available !== 0 && <Add product={product} />}
          <h2 className="mb-2 mt-8 text-lg font-semibold">{t('product.description')}</h2>
          <p className="whitespace-pre-line text-slate-800">{product.description}</p>
          {product.sku && <p className="mt-4 text-sm text-slate-600">{t('product.sku')}: {product.sku}</p>}
        </div>
      </div>
    </>
  )
}

function Pictures({ product }: { product: ProductT }) {
  const { t } = useTranslation()
  const [chosen, setChosen] = useState(0)
  const all = product.pictures
  const shown = all[chosen]
  return (
    <div>
      <Picture key={chosen} src={shown?.url ?? product.image_url} alt={shown?.alt || product.name} eager />
      {all.length > 1 && (
        <ul className="mt-3 grid grid-cols-5 gap-2">
          {all.map((picture, i) => (
            <li key={picture.url}>
              <button type="button" aria-pressed={i === chosen} onClick={() => setChosen(i)} className="w-full rounded-lg aria-pressed:ring-2 aria-pressed:ring-brand-600">
                <Picture src={picture.url} alt={picture.alt || t('product.picture', { n: i + 1, name: product.name })} />
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}

function Add({ product }: { product: ProductT }) {
  const { t } = useTranslation()
  const [quantity, setQuantity] = useState(1)
  const say = useToast()
  const text = useErrorText()
  const user = useUser()
  const queries = useQueryClient()
  const add = useMutation({
    mutationFn: async (key: string) => {
      if (!user) return addGuest(product.id, quantity)
      const request = { params: { header: { 'Idempotency-Key': key } }, body: { product_id: product.id, quantity } }
      queries.setQueryData(cart.queryKey, await body(api.POST('/v1/cart/items', request)))
    },
    retry: (failures, error) => failures < 2 && isCode(error, 'offline', 'unavailable', 'timeout'), // with the same key
    onSuccess: () =>
      say(t('product.added', { name: product.name }), <Link to="/cart" className="whitespace-nowrap font-medium underline">{t('product.to_cart')}</Link>),
    onError: (error) => say(text(error)),
  })
  return (
    <div className="mt-6 flex flex-wrap items-center gap-3">
      <Quantity
        value={quantity}
        max={Math.min(product.available ?? 999, product.max_per_order ?? 999, 999)}
        label={t('product.quantity')}
        less={t('cart.decrease', { name: product.name })}
        more={t('cart.increase', { name: product.name })}
        onChange={setQuantity}
      />
      <Button busy={add.isPending} onClick={() => add.mutate(crypto.randomUUID())} className="grow sm:grow-0 sm:px-10">
        {add.isPending ? t('product.adding') : t('product.add')}
      </Button>
    </div>
  )
}
