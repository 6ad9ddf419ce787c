import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useParams } from 'react-router'
import { api, body, type Order as OrderT } from '../api/client'
import { isCode } from '../api/problem'
import { addresses, order as orderQuery } from '../api/queries'
import { formatRemaining, useRemaining } from '../lib/clock'
import { useFormat } from '../lib/format'
import { useLiveOrder } from '../lib/live'
import { AddressText } from '../ui/address-text'
import { Button, LinkButton } from '../ui/button'
import { Dialog } from '../ui/dialog'
import { ErrorNotice, Notice, useErrorText } from '../ui/notice'
import { Card, Page, Placeholder } from '../ui/page'
import { Pay } from '../ui/pay'
import { Status } from '../ui/status'
import { useToast } from '../ui/toast'
import NotFound from './not-found'

export default function Order() {
  const { id = '' } = useParams()
  const queries = useQueryClient()
  const [polling, setPolling] = useState(true)
  const { data, error, refetch } = useQuery({
    ...orderQuery(id),
    // Without the stream the page asks, so that it shows the truth all the same.
    refetchInterval: ({ state }) => (polling && state.data?.status === 'awaiting_payment' ? 2000 : false),
  })
  // Paid or cancelled is not the end: money may be returned.
  const open = data !== undefined && data.status !== 'refunded'
  const live = useLiveOrder(id, open, () => {
    void queries.invalidateQueries({ queryKey: orderQuery(id).queryKey })
    void queries.invalidateQueries({ queryKey: ['mine', 'payments', id] })
  })
  useEffect(() => setPolling(live !== 'live'), [live])
  if (isCode(error, 'not_found', 'bad_request')) return <NotFound />
  if (error && !data) return <ErrorNotice error={error} retry={() => void refetch()} />
  if (!data) return <Placeholder className="h-96" />
  return <Details order={data} live={live} />
}

function Details({ order, live }: { order: OrderT; live: ReturnType<typeof useLiveOrder> }) {
  const { t } = useTranslation()
  const { money, time } = useFormat()
  const awaiting = order.status === 'awaiting_payment'
  return (
    <Page title={t('orders.order', { id: order.id })} lead={t('orders.placed', { at: time(order.created_at) })} actions={<Status status={order.status} />}>
      <div className="grid grid-cols-1 items-start gap-8 lg:grid-cols-[minmax(0,1fr)_24rem]">
        <div className="space-y-6">
          <div aria-live="polite" className="space-y-4 empty:hidden">
            {order.status === 'paid' && <Notice tone="good">{t('orders.paid_thanks')} <Link to="/products" className="font-medium underline">{t('orders.again')}</Link></Notice>}
            {order.cancel_reason && <Notice tone="warn">{t(`orders.reason.${order.cancel_reason as 'out_of_stock'}`, { defaultValue: order.cancel_reason })}</Notice>}
          </div>
          <Card>
            <ul className="divide-y divide-slate-200">
              {order.lines.map((line) => (
                <li key={line.product_id} className="flex justify-between gap-4 py-3 first:pt-0">
                  <Link to={`/products/${line.product_id}`} className="hover:underline">{line.quantity} × {line.name}</Link>
                  <span className="whitespace-nowrap font-medium">{money(line.line_total, order.currency)}</span>
                </li>
              ))}
            </ul>
            <dl className="grid grid-cols-2 gap-y-1 border-t border-slate-200 pt-4">
              <dt>{t('checkout.goods')}</dt><dd className="text-right">{money(order.subtotal, order.currency)}</dd>
              <dt>{t('checkout.shipping')}</dt><dd className="text-right">{order.shipping === 0 ? t('checkout.shipping_free') : money(order.shipping, order.currency)}</dd>
              <dt className="mt-2 text-lg font-semibold">{t('checkout.total')}</dt><dd className="mt-2 text-right text-lg font-semibold">{money(order.total, order.currency)}</dd>
            </dl>
          </Card>
          <History order={order} live={live} />
        </div>
        <div className="space-y-6">
          {awaiting && <Due order={order} />}
          <Card>
            <h2 className="mb-3 text-lg font-semibold">{t('orders.to')}</h2>
            <AddressText address={order.address} />
            {awaiting && <ChangeAddress order={order} />}
          </Card>
          {awaiting && <Cancel order={order} />}
        </div>
      </div>
    </Page>
  )
}

function Due({ order }: { order: OrderT }) {
  const { t } = useTranslation()
  const remaining = useRemaining(order.payment_due_at, true)
  return (
    <Card>
      <p className="mb-4 font-medium" role="timer">
        {remaining > 0 ? t('orders.pay_within', { time: formatRemaining(remaining) }) : t('orders.pay_over')}
      </p>
      {remaining > 0 && <Pay order={order} />}
    </Card>
  )
}

function History({ order, live }: { order: OrderT; live: ReturnType<typeof useLiveOrder> }) {
  const { t } = useTranslation()
  const { time } = useFormat()
  return (
    <Card>
      <div className="mb-3 flex items-center justify-between">
        <h2 className="text-lg font-semibold">{t('orders.history')}</h2>
        {live === 'live' && <span className="flex items-center gap-2 text-sm text-brand-800"><span aria-hidden className="size-2 rounded-full bg-brand-600" />{t('orders.live')}</span>}
        {live === 'lost' && <span className="text-sm text-amber-900">{t('orders.live_lost')}</span>}
      </div>
      <ol className="space-y-2">
        {order.history.map((change) => (
          <li key={change.status} className="flex flex-wrap justify-between gap-x-4">
            <span className="font-medium">{t(`orders.status.${change.status}`)}</span>
            <time dateTime={change.at} className="text-slate-700">{time(change.at)}</time>
          </li>
        ))}
      </ol>
    </Card>
  )
}

function Cancel({ order }: { order: OrderT }) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const [asking, setAsking] = useState(false)
  const say = useToast()
  const text = useErrorText()
  const cancel = useMutation({
    mutationFn: () => body(api.POST('/v1/orders/{id}/cancel', { params: { path: { id: order.id } } })),
    onSuccess: (next) => queries.setQueryData(orderQuery(order.id).queryKey, next),
    onError: (error) => {
      say(text(error))
      void queries.invalidateQueries({ queryKey: orderQuery(order.id).queryKey })
    },
    onSettled: () => setAsking(false),
  })
  return (
    <>
      <Button look="danger" className="w-full" onClick={() => setAsking(true)}>{t('orders.cancel')}</Button>
      <Dialog title={t('orders.cancel')} open={asking} onClose={() => setAsking(false)}>
        <p>{t('orders.cancel_ask')}</p>
        <div className="mt-5 flex justify-end gap-3">
          <Button look="plain" onClick={() => setAsking(false)}>{t('orders.cancel_keep')}</Button>
          <Button look="danger" busy={cancel.isPending} onClick={() => cancel.mutate()}>{t('orders.cancel')}</Button>
        </div>
      </Dialog>
    </>
  )
}

function ChangeAddress({ order }: { order: OrderT }) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const [open, setOpen] = useState(false)
  const { data } = useQuery({ ...addresses, enabled: open })
  const change = useMutation({
    mutationFn: (address_id: string) => body(api.PUT('/v1/orders/{id}/address', { params: { path: { id: order.id } }, body: { address_id } })),
    onSuccess: (next) => {
      queries.setQueryData(orderQuery(order.id).queryKey, next)
      setOpen(false)
    },
  })
  return (
    <>
      <Button look="link" className="mt-3" onClick={() => setOpen(true)}>{t('orders.change_address')}</Button>
      <Dialog title={t('orders.change_address')} open={open} onClose={() => setOpen(false)}>
        <div className="space-y-3">
          {change.error && <ErrorNotice error={change.error} />}
          {data?.items.map((a) => (
            <button key={a.id} type="button" disabled={change.isPending} onClick={() => change.mutate(a.id)} className="block w-full rounded-lg border border-slate-300 p-4 text-left hover:bg-slate-50">
              <AddressText address={a} />
            </button>
          ))}
          <LinkButton look="plain" to="/account/addresses">{t('address.add')}</LinkButton>
        </div>
      </Dialog>
    </>
  )
}
