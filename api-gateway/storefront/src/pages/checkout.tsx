import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useNavigate } from 'react-router'
import { api, body, type Quote } from '../api/client'
import { ApiError, isCode } from '../api/problem'
import { addresses, cart, order as orderQuery, quote as quoteQuery } from '../api/queries'
import { useAddressBook } from '../lib/addresses'
import { useFormat } from '../lib/format'
import { once } from '../lib/intent'
import { AddressForm } from '../ui/address-form'
import { AddressText } from '../ui/address-text'
import { Button, LinkButton } from '../ui/button'
import { ErrorNotice, Notice } from '../ui/notice'
import { Card, Empty, Page, Placeholder } from '../ui/page'

const chosenSlot = 'mall.address'

/** Address, quote and order on one page. What was chosen survives a reload; the order is placed once. */
export default function Checkout() {
  const { t } = useTranslation()
  const quote = useQuery(quoteQuery)
  const [addressId, setAddressId] = useState(sessionStorage.getItem(chosenSlot) ?? '')
  const choose = (id: string) => {
    sessionStorage.setItem(chosenSlot, id)
    setAddressId(id)
  }
  if (isCode(quote.error, 'empty_cart')) {
    return (
      <Page title={t('checkout.title')}>
        <Empty title={t('checkout.nothing')}><LinkButton to="/products">{t('cart.shop')}</LinkButton></Empty>
      </Page>
    )
  }
  if (isCode(quote.error, 'not_for_sale', 'too_many_per_order')) return <ToCart />
  if (quote.error) return <ErrorNotice error={quote.error} retry={() => void quote.refetch()} />
  return (
    <Page title={t('checkout.title')}>
      <div className="grid grid-cols-1 items-start gap-8 lg:grid-cols-[minmax(0,1fr)_22rem]">
        <Card>
          <h2 className="mb-4 text-lg font-semibold">{t('checkout.address')}</h2>
          <Addresses chosen={addressId} choose={choose} />
        </Card>
        {quote.data ? <Summary quote={quote.data} addressId={addressId} reload={() => void quote.refetch()} /> : <Placeholder className="h-72" />}
      </div>
    </Page>
  )
}

function ToCart() {
  const { t } = useTranslation()
  return (
    <Page title={t('checkout.title')}>
      <Notice tone="warn"><p>{t('cart.problems')}</p><LinkButton to="/cart" look="plain" className="mt-3">{t('product.to_cart')}</LinkButton></Notice>
    </Page>
  )
}

function Addresses({ chosen, choose }: { chosen: string; choose: (id: string) => void }) {
  const { t } = useTranslation()
  const { data, error, refetch } = useQuery(addresses)
  const book = useAddressBook()
  const [adding, setAdding] = useState(false)
  if (error) return <ErrorNotice error={error} retry={() => void refetch()} />
  if (!data) return <Placeholder />
  const items = data.items
  if (items.length > 0 && !items.some((a) => a.id === chosen)) queueMicrotask(() => choose(items[0]!.id))
  if (adding || items.length === 0) {
    return (
      <AddressForm
        submitLabel={t('checkout.use')}
        onCancel={items.length > 0 ? () => setAdding(false) : undefined}
        onSubmit={async (values) => {
          choose((await book.add(values)).id)
          setAdding(false)
        }}
      />
    )
  }
  return (
    <fieldset>
      <legend className="sr-only">{t('checkout.address')}</legend>
      <div className="space-y-3">
        {items.map((a) => (
          <label key={a.id} className="flex cursor-pointer gap-3 rounded-lg border border-slate-300 p-4 has-checked:border-brand-600 has-checked:bg-brand-50">
            <input type="radio" name="address" checked={a.id === chosen} onChange={() => choose(a.id)} className="mt-1 size-4 shrink-0 accent-brand-700" />
            <AddressText address={a} />
          </label>
        ))}
      </div>
      <Button look="plain" className="mt-4" onClick={() => setAdding(true)}>{t('checkout.new_address')}</Button>
    </fieldset>
  )
}

function Summary({ quote, addressId, reload }: { quote: Quote; addressId: string; reload: () => void }) {
  const { t } = useTranslation()
  const { money } = useFormat()
  const navigate = useNavigate()
  const queries = useQueryClient()
  const place = useMutation({
    mutationFn: () => {
      const request = { address_id: addressId, expected_total: quote.total }
      // The cart's lines belong to the intent: the same cart again, after it was ordered, is another order.
      return once('checkout', { request, lines: quote.lines.map((l) => [l.product_id, l.quantity, l.price]) }, (key) =>
        body(api.POST('/v1/checkout', { params: { header: { 'Idempotency-Key': key } }, body: request })))
    },
    retry: (failures, error) => failures < 2 && error instanceof ApiError && (error.outcomeUnknown || error.code === 'request_in_progress'),
    retryDelay: (failures, error) => (error instanceof ApiError && error.retryAfter ? error.retryAfter * 1000 : 300 * 2 ** failures),
    onSuccess: async (order) => {
      queries.setQueryData(orderQuery(order.id).queryKey, order)
      // The order took all lines along; the cart's service learns it a moment later, so it is not asked now.
      queries.setQueryData(cart.queryKey, (old) => old && { ...old, items: [] })
      void queries.invalidateQueries({ queryKey: ['product'] })
      await navigate(`/orders/${order.id}`, { replace: true })
    },
    onError: (error) => {
      if (isCode(error, 'sold_out', 'price_changed', 'not_for_sale')) {
        void queries.invalidateQueries({ queryKey: cart.queryKey })
        reload()
      }
    },
  })
  return (
    <Card>
      <h2 className="mb-4 text-lg font-semibold">{t('checkout.items')}</h2>
      <ul className="mb-4 space-y-2">
        {quote.lines.map((line) => (
          <li key={line.product_id} className="flex justify-between gap-4">
            <span>{line.quantity} × {line.name}</span>
            <span className="whitespace-nowrap">{money(line.line_total, quote.currency)}</span>
          </li>
        ))}
      </ul>
      <dl className="grid grid-cols-2 gap-y-1 border-t border-slate-200 pt-4">
        <dt>{t('checkout.goods')}</dt><dd className="text-right">{money(quote.subtotal, quote.currency)}</dd>
        <dt>{t('checkout.shipping')}</dt><dd className="text-right">{quote.shipping === 0 ? t('checkout.shipping_free') : money(quote.shipping, quote.currency)}</dd>
        <dt className="mt-2 text-lg font-semibold">{t('checkout.total')}</dt><dd className="mt-2 text-right text-lg font-semibold">{money(quote.total, quote.currency)}</dd>
      </dl>
      <div className="mt-4 space-y-4">
        {place.error && <Refused error={place.error} />}
        <Button className="w-full" disabled={!addressId} busy={place.isPending} onClick={() => place.mutate()}>
          {place.isPending ? t('checkout.placing') : t('checkout.place', { total: money(quote.total, quote.currency) })}
        </Button>
        <p className="text-sm text-slate-700">{addressId ? t('checkout.place_hint') : t('checkout.no_address')}</p>
      </div>
    </Card>
  )
}

function Refused({ error }: { error: unknown }) {
  const { t } = useTranslation()
  if (isCode(error, 'sold_out', 'not_for_sale')) {
    return <Notice tone="warn"><p>{t('checkout.sold_out')}</p><Link to="/cart" className="font-medium underline">{t('product.to_cart')}</Link></Notice>
  }
  if (isCode(error, 'price_changed')) return <Notice tone="warn">{t('checkout.price_changed')}</Notice>
  if (isCode(error, 'checkout_expired')) return <Notice tone="warn">{t('checkout.expired')}</Notice>
  if (isCode(error, 'too_many_open_orders', 'held_by_your_order', 'too_many_held_units')) {
    return (
      <Notice tone="warn">
        <p>{error.code === 'too_many_open_orders' ? t('checkout.open_orders') : error.problem?.detail}</p>
        {error.problem?.order_ids?.map((id) => <Link key={id} to={`/orders/${id}`} className="block font-medium underline">{t('checkout.order', { id })}</Link>)}
      </Notice>
    )
  }
  if (error instanceof ApiError && error.outcomeUnknown) return <Notice tone="warn">{t('checkout.lost')}</Notice>
  return <ErrorNotice error={error} />
}
