import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { api, body, type Schemas } from '../../api/client'
import { officeKey } from '../../api/queries'
import { useFormat } from '../../lib/format'
import { usePages } from '../../lib/pages'
import { Button } from '../../ui/button'
import { Dialog } from '../../ui/dialog'
import { Input } from '../../ui/field'
import { Pages, rows } from '../../ui/list'
import { ErrorNotice, useErrorText } from '../../ui/notice'
import { Page } from '../../ui/page'
import { useToast } from '../../ui/toast'

type Event = Schemas['ParkedEvent']
const services = ['auth', 'cart', 'checkout', 'order', 'payment', 'product'] as const
type Service = (typeof services)[number]
const often = 5000 // ms: they are tried again by themselves

export default function Parked() {
  const { t } = useTranslation('office')
  return (
    <Page title={t('admin.parked')} lead={t('admin.parked_lead')}>
      <div className="space-y-8">{services.map((service) => <OfService key={service} service={service} />)}</div>
    </Page>
  )
}

function OfService({ service }: { service: Service }) {
  const { t } = useTranslation('office')
  const list = usePages(officeKey('parked', service), (page_token, signal) =>
    body(api.GET('/v1/admin/parked-events/{service}', { params: { path: { service }, query: { ...(page_token && { page_token }) } }, signal })), often)
  return (
    <section aria-labelledby={`parked-${service}`}>
      <h2 id={`parked-${service}`} className="mb-2 text-lg font-semibold">{service}</h2>
      {list.items?.length === 0 ? <p className="text-slate-700">{t('admin.no_parked')}</p> : (
        <Pages list={list} none={t('admin.no_parked')}>
          {(items) => <ul className={rows}>{items.map((event) => <li key={event.id}><Row service={service} event={event} /></li>)}</ul>}
        </Pages>
      )}
    </section>
  )
}

type RowProps = { service: Service; event: Event }

function Row({ service, event }: RowProps) {
  const { t } = useTranslation('office')
  const { time } = useFormat()
  const queries = useQueryClient()
  const say = useToast()
  const text = useErrorText()
  const [asking, setAsking] = useState(false)
  const refresh = () => queries.invalidateQueries({ queryKey: officeKey('parked', service) })
  const retry = useMutation({
    mutationFn: () => body(api.POST('/v1/admin/parked-events/{service}/{event}/retry', { params: { path: { service, event: event.id } } })),
    onSuccess: () => say(t('admin.retried')),
    onError: (e) => say(text(e)),
    onSettled: refresh,
  })
  const about = /^[1-9]\d*$/.test(event.key) && event.type.startsWith('mall.order.')
  return (
    <div className="space-y-2 p-4">
      <p className="font-medium break-words">
        {event.type || t('admin.unreadable')}{event.key && ' · '}
        {about ? <Link to={`/admin/orders/${event.key}`} className="underline">{event.key}</Link> : event.key}
      </p>
      <p className="break-words text-red-800">{event.reason}</p>
      <p className="text-sm text-slate-700">
        {t('admin.tried', { count: event.attempts, since: time(event.since), next: time(event.next_try_at) })}
        {event.trace_id && ` · ${t('admin.trace', { id: event.trace_id })}`}
      </p>
      <p className="font-mono text-xs break-all text-slate-700">{event.id}</p>
      <div className="flex flex-wrap gap-3">
        <Button look="plain" busy={retry.isPending} aria-label={`${t('admin.retry')}: ${event.id}`} onClick={() => retry.mutate()}>{t('admin.retry')}</Button>
        <Button look="danger" aria-label={`${t('admin.drop')}: ${event.id}`} onClick={() => setAsking(true)}>{t('admin.drop')}</Button>
      </div>
      <Dialog title={t('admin.drop_title')} open={asking} onClose={() => setAsking(false)}>
        <Drop service={service} event={event} done={refresh} />
      </Dialog>
    </div>
  )
}

function Drop({ service, event, done }: RowProps & { done: () => Promise<void> }) {
  const { t } = useTranslation('office')
  const say = useToast()
  const [reason, setReason] = useState('')
  const drop = useMutation({
    mutationFn: () => body(api.POST('/v1/admin/parked-events/{service}/{event}/drop', { params: { path: { service, event: event.id } }, body: { reason: reason.trim() } })),
    onSuccess: async () => {
      say(t('admin.dropped'))
      await done()
    },
  })
  return (
    <form
      className="space-y-4"
      onSubmit={(e) => {
        e.preventDefault()
        if (reason.trim()) drop.mutate()
      }}
    >
      {drop.error && <ErrorNotice error={drop.error} />}
      <p>{t('admin.drop_ask', { service })}</p>
      <Input label={t('admin.reason')} maxLength={200} required value={reason} onChange={(e) => setReason(e.target.value)} />
      <Button type="submit" look="danger" busy={drop.isPending}>{t('admin.drop')}</Button>
    </form>
  )
}
