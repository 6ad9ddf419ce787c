import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { useParams } from 'react-router'
import { api, body, type Schemas } from '../../api/client'
import { isCode } from '../../api/problem'
import { officeKey } from '../../api/queries'
import { useFormat } from '../../lib/format'
import { AddressText } from '../../ui/address-text'
import { ErrorNotice } from '../../ui/notice'
import { Card, Page, Placeholder } from '../../ui/page'
import { Status } from '../../ui/status'
import NotFound from '../not-found'

/** Why an order is as it is: what each service has recorded of it. */
export default function AdminOrder() {
  const { t } = useTranslation()
  const { t: office } = useTranslation('office')
  const { money, time } = useFormat()
  const { id = '' } = useParams()
  const { data, error, refetch } = useQuery({
    queryKey: officeKey('order', id),
    queryFn: ({ signal }) => body(api.GET('/v1/admin/orders/{id}', { params: { path: { id } }, signal })),
  })
  if (isCode(error, 'not_found', 'bad_request')) return <NotFound />
  if (error) return <ErrorNotice error={error} retry={() => void refetch()} />
  if (!data) return <Placeholder className="h-96" />
  return (
    <Page title={t('orders.order', { id })} lead={`${t('orders.placed', { at: time(data.created_at) })} · ${office('admin.of_user', { id: data.user_id })}`} actions={<Status status={data.status} />}>
      <div className="grid grid-cols-1 items-start gap-6 md:grid-cols-2">
        <Part title={office('admin.history')}>
          <List items={data.history} of={(h) => [t(`orders.status.${h.status}`), h.reason ?? '', time(h.at)]} />
          {data.cancel_reason && <p className="mt-2 text-sm text-slate-700">{data.cancel_reason}</p>}
        </Part>
        <Part title={t('checkout.items')}>
          <List items={data.lines} of={(line) => [`${line.quantity} × ${line.name}`, '', money(line.line_total, data.currency)]} />
          <p className="mt-3 flex justify-between border-t border-slate-200 pt-3 font-semibold"><span>{t('checkout.total')}</span><span>{money(data.total, data.currency)}</span></p>
          <div className="mt-4"><AddressText address={data.address} /></div>
        </Part>
        <Part title={office('admin.payments')}><Payments id={id} /></Part>
        <Part title={office('admin.stock')}><Stock id={id} /></Part>
        <div className="md:col-span-2">
          <Part title={office('admin.events')}><Events events={data.events} /></Part>
        </div>
      </div>
    </Page>
  )
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return <Card><h2 className="mb-3 text-lg font-semibold">{title}</h2>{children}</Card>
}

/** Lines of a text, what is said about it, and a value at the right. */
function List<T>({ items, of }: { items: readonly T[]; of: (item: T) => [text: string, about: string, value: string] }) {
  return (
    <ul className="space-y-2">
      {items.map((item, i) => {
        const [text, about, value] = of(item)
        return (
          <li key={i} className="flex justify-between gap-4">
            <span><span className="font-medium">{text}</span>{about && <span className="block text-sm text-slate-700">{about}</span>}</span>
            <span className="whitespace-nowrap text-slate-700">{value}</span>
          </li>
        )
      })}
    </ul>
  )
}

function Payments({ id }: { id: string }) {
  const { t } = useTranslation('office')
  const { money, time } = useFormat()
  const { data, error, refetch } = useQuery({
    queryKey: officeKey('payments', id),
    queryFn: ({ signal }) => body(api.GET('/v1/orders/{id}/payments', { params: { path: { id } }, signal })),
  })
  if (error) return <ErrorNotice error={error} retry={() => void refetch()} />
  if (!data) return <Placeholder className="h-16" />
  if (data.items.length === 0) return <p>{t('admin.no_payments')}</p>
  const about = (p: Schemas['Payment']) => [p.failure_code, time(p.created_at), p.id].filter(Boolean).join(' · ')
  return <List items={data.items} of={(p) => [t(`admin.payment.${p.status}`), about(p), money(p.amount, p.currency)]} />
}

function Stock({ id }: { id: string }) {
  const { t } = useTranslation('office')
  const { time } = useFormat()
  const { data, error, refetch } = useQuery({
    queryKey: officeKey('stock-of-order', id),
    queryFn: ({ signal }) => body(api.GET('/v1/admin/orders/{id}/stock', { params: { path: { id } }, signal })),
  })
  if (isCode(error, 'not_found')) return <p>{t('admin.no_stock')}</p>
  if (error) return <ErrorNotice error={error} retry={() => void refetch()} />
  if (!data) return <Placeholder className="h-16" />
  return (
    <>
      {data.rejected_at && <p className="mb-2 font-medium text-red-800">{t('admin.rejected', { at: time(data.rejected_at) })}</p>}
      <List items={data.reservations} of={(r) => [t(`admin.reservation.${r.state}`), `${t('admin.product', { id: r.product_id })} · ${time(r.updated_at)}`, `× ${r.quantity}`]} />
    </>
  )
}

function Events({ events }: { events: Schemas['OrderEvent'][] }) {
  const { t } = useTranslation('office')
  const { time } = useFormat()
  if (events.length === 0) return <p>{t('admin.no_events')}</p>
  const about = (e: Schemas['OrderEvent']) =>
    [e.published_at ? t('admin.published', { at: time(e.published_at) }) : t('admin.unpublished'), e.trace_id && t('admin.trace', { id: e.trace_id })].filter(Boolean).join(' · ')
  return <List items={events} of={(e) => [e.type, about(e), time(e.created_at)]} />
}
