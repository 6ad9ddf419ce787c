import { useMutation, useQueries, useQuery, useQueryClient } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { api, body, type CartLine } from '../api/client'
import { isCode } from '../api/problem'
import { cart, currency, product, useSession } from '../api/queries'
import { setGuestQuantity, useGuestLines } from '../lib/cart'
import { useFormat } from '../lib/format'
import { Button, LinkButton } from '../ui/button'
import { ErrorNotice, Notice, useErrorText } from '../ui/notice'
import { Card, Empty, Page, Placeholder } from '../ui/page'
import { Picture } from '../ui/picture'
import { Quantity } from '../ui/quantity'
import { useToast } from '../ui/toast'

export default function Cart() {
  const state = useSession()
  if (state.status === 'unknown') return <Placeholder />
  return state.status === 'signed-in' ? <AccountCart /> : <GuestCart />
}

type Line = Pick<CartLine, 'product_id' | 'quantity' | 'name' | 'price' | 'available' | 'line_total' | 'state' | 'seen_price' | 'max_per_order'> & { image_url?: string | undefined }

function AccountCart() {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const say = useToast()
  const text = useErrorText()
  const { data, error, refetch } = useQuery(cart)
  const change = useMutation({
    scope: { id: 'cart' }, // one after the other, in the order of the clicks
    mutationFn: ({ id, quantity }: { id: string; quantity: number }) =>
      body(api.PUT('/v1/cart/items/{product_id}', { params: { path: { product_id: id } }, body: { quantity } })),
    onMutate: async ({ id, quantity }) => {
      await queries.cancelQueries({ queryKey: cart.queryKey })
      queries.setQueryData(cart.queryKey, (old) => old && { ...old, items: old.items.flatMap((line) =>
        line.product_id !== id ? [line] : quantity === 0 ? [] : [{ ...line, quantity, line_total: quantity * line.price }]) })
    },
    onSuccess: (next) => queries.setQueryData(cart.queryKey, next),
    onError: (e) => {
      say(text(e))
      void refetch()
    },
  })
  if (error) return <ErrorNotice error={error} retry={() => void refetch()} />
  if (!data) return <Placeholder />
  const lines = data.items
  const total = lines.reduce((sum, line) => sum + line.line_total, 0)
  const stopped = lines.some((line) => !['available', 'price_changed'].includes(line.state))
  return (
    <Lines lines={lines} total={total} currency={data.currency} set={(id, quantity) => change.mutate({ id, quantity })}>
      {stopped
        ? <Button className="w-full" disabled>{t('cart.checkout')}</Button>
        : <LinkButton to="/checkout" className="w-full">{t('cart.checkout')}</LinkButton>}
    </Lines>
  )
}

function GuestCart() {
  const { t } = useTranslation()
  const guest = useGuestLines()
  const { data: money } = useQuery(currency)
  const found = useQueries({ queries: guest.map((line) => product(line.product_id)) })
  const lines: Line[] = guest.flatMap((line, i) => {
    const p = found[i]?.data
    const gone = isCode(found[i]?.error, 'not_found')
    if (!p && !gone) return []
    const state = gone || !p ? 'not_for_sale' as const : p.available === 0 ? 'sold_out' as const
      : p.available !== null && p.available < line.quantity ? 'fewer_left' as const
      : p.max_per_order && p.max_per_order < line.quantity ? 'too_many' as const : 'available' as const
    const price = p?.price ?? 0
    return [{ product_id: line.product_id, quantity: line.quantity, name: p?.name ?? '', price, available: p?.available ?? 0, line_total: price * line.quantity,
      state, image_url: p?.image_url, ...(p?.max_per_order && { max_per_order: p.max_per_order }) }]
  })
  if (guest.length > 0 && (lines.length === 0 || !money)) {
    const failed = found.find((f) => f.error)
    return failed ? <ErrorNotice error={failed.error} retry={() => found.forEach((f) => void f.refetch())} /> : <Placeholder />
  }
  return (
    <Lines lines={lines} total={lines.reduce((sum, l) => sum + l.line_total, 0)} currency={money?.code ?? 'CNY'} set={setGuestQuantity}>
      <p className="mb-4 text-sm text-slate-700">{t('cart.guest')}</p>
      <LinkButton to="/sign-in" state={{ to: '/checkout' }} className="w-full">{t('cart.checkout')}</LinkButton>
    </Lines>
  )
}

type Shown = { lines: Line[]; total: number; currency: string; set: (id: string, quantity: number) => void; children: ReactNode }

function Lines({ lines, total, currency, set, children }: Shown) {
  const { t } = useTranslation()
  const { money } = useFormat()
  if (lines.length === 0) {
    return (
      <Page title={t('cart.title')}>
        <Empty title={t('cart.empty')} hint={t('cart.empty_hint')}><LinkButton to="/products">{t('cart.shop')}</LinkButton></Empty>
      </Page>
    )
  }
  return (
    <Page title={t('cart.title')}>
      <div className="grid grid-cols-1 items-start gap-8 lg:grid-cols-[minmax(0,1fr)_20rem]">
        <div className="space-y-4">
          {lines.some((line) => line.state !== 'available') && <Notice tone="warn">{t('cart.problems')}</Notice>}
          <ul className="divide-y divide-slate-200 rounded-xl border border-slate-200 bg-white">
            {lines.map((line) => <LineRow key={line.product_id} line={line} currency={currency} set={set} />)}
          </ul>
        </div>
        <Card>
          <p className="mb-4 flex justify-between text-lg font-semibold"><span>{t('cart.total')}</span><span>{money(total, currency)}</span></p>
          {children}
        </Card>
      </div>
    </Page>
  )
}

function LineRow({ line, currency, set }: { line: Line; currency: string; set: Shown['set'] }) {
  const { t } = useTranslation()
  const { money } = useFormat()
  const name = line.name || line.product_id
  return (
    <li className="grid grid-cols-[5rem_1fr] gap-4 p-4">
      <Picture src={line.image_url} alt="" />
      <div className="min-w-0">
        <div className="flex flex-wrap justify-between gap-x-4">
          <Link to={`/products/${line.product_id}`} className="font-medium hover:underline">{name}</Link>
          <span className="whitespace-nowrap font-semibold">{money(line.line_total, currency)}</span>
        </div>
        <p className="text-sm text-slate-700">{money(line.price, currency)}</p>
        <Problem line={line} currency={currency} />
        <div className="mt-3 flex flex-wrap items-center gap-4">
          {line.state !== 'sold_out' && line.state !== 'not_for_sale' && (
            <Quantity
              value={line.quantity}
              max={Math.max(Math.min(line.available ?? 999, line.max_per_order ?? 999), 1)}
              label={t('product.quantity')}
              less={t('cart.decrease', { name })}
              more={t('cart.increase', { name })}
              onChange={(quantity) => set(line.product_id, quantity)}
            />
          )}
          <Button look="link" aria-label={t('cart.remove', { name })} onClick={() => set(line.product_id, 0)}>{t('shop.remove')}</Button>
        </div>
      </div>
    </li>
  )
}

function Problem({ line, currency }: { line: Line; currency: string }) {
  const { t } = useTranslation()
  const { money } = useFormat()
  if (line.state === 'available') return null
  const values = {
    count: line.state === 'too_many' ? (line.max_per_order ?? 0) : (line.available ?? 0),
    from: money(line.seen_price ?? line.price, currency),
    to: money(line.price, currency),
  }
  return <p className="mt-1 text-sm font-medium text-amber-900">{t(`cart.${line.state}`, values)}</p>
}
