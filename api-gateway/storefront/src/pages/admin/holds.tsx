import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState, type FormEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useSearchParams } from 'react-router'
import { api, body, type Schemas } from '../../api/client'
import { officeKey } from '../../api/queries'
import { useFormat } from '../../lib/format'
import { once } from '../../lib/intent'
import { usePages } from '../../lib/pages'
import { Button } from '../../ui/button'
import { Dialog } from '../../ui/dialog'
import { Input } from '../../ui/field'
import { Pages, rows } from '../../ui/list'
import { ErrorNotice } from '../../ui/notice'
import { Page } from '../../ui/page'
import { useToast } from '../../ui/toast'

type Hold = Schemas['Hold']
const often = 3000 // ms: holds come and go
const filters = ['product_id', 'user_id'] as const

export default function Holds() {
  const { t } = useTranslation('office')
  const [params, setParams] = useSearchParams()
  const filter = Object.fromEntries(filters.flatMap((name) => (params.get(name) ? [[name, params.get(name)!]] : [])))
  const list = usePages(officeKey('holds', params.toString()), (page_token, signal) =>
    body(api.GET('/v1/admin/holds', { params: { query: { ...filter, ...(page_token && { page_token }) } }, signal })), often)
  const find = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    const form = new FormData(e.currentTarget)
    setParams(Object.fromEntries(filters.flatMap((name) => (String(form.get(name)).trim() ? [[name, String(form.get(name)).trim()]] : []))))
  }
  return (
    <Page title={t('admin.holds')}>
      <form key={params.toString()} onSubmit={find} className="mb-6 flex max-w-2xl flex-wrap items-end gap-3">
        {filters.map((name) => <div key={name} className="min-w-40 grow"><Input label={t(`admin.${name}`)} name={name} inputMode="numeric" maxLength={19} defaultValue={filter[name] ?? ''} /></div>)}
        <Button type="submit" look="plain">{t('admin.find')}</Button>
      </form>
      <Pages list={list} none={t('admin.no_holds')}>
        {(items) => <ul className={rows}>{items.map((hold) => <li key={hold.order_id + hold.product_id}><Row hold={hold} /></li>)}</ul>}
      </Pages>
    </Page>
  )
}

function Row({ hold }: { hold: Hold }) {
  const { t } = useTranslation('office')
  const { t: shop } = useTranslation()
  const { time } = useFormat()
  const [asking, setAsking] = useState(false)
  const when = [t('admin.since_at', { at: time(hold.since) }), hold.until && t('admin.until', { at: time(hold.until) })].filter(Boolean).join(' · ')
  return (
    <div className="flex flex-wrap items-center justify-between gap-3 p-4">
      <div>
        <p className="font-medium">
          {hold.state === 'unpaid_order' ? <Link to={`/admin/orders/${hold.order_id}`} className="underline">{shop('orders.order', { id: hold.order_id })}</Link> : t('admin.hold.hold')}
          {' · '}{hold.quantity} × <Link to={`/products/${hold.product_id}`} className="underline">{t('admin.product', { id: hold.product_id })}</Link>
        </p>
        <p className="text-sm text-slate-700">{t(`admin.hold.${hold.state}`)} · {t('admin.of_user', { id: hold.user_id ?? t('admin.unknown_user') })} · {when}</p>
      </div>
      <Button look="danger" aria-label={`${t('admin.release')}: ${hold.order_id}`} onClick={() => setAsking(true)}>{t('admin.release')}</Button>
      <Dialog title={t('admin.release_title', { id: hold.order_id })} open={asking} onClose={() => setAsking(false)}>
        <Release hold={hold} done={() => setAsking(false)} />
      </Dialog>
    </div>
  )
}

function Release({ hold, done }: { hold: Hold; done: () => void }) {
  const { t } = useTranslation('office')
  const queries = useQueryClient()
  const say = useToast()
  const [reason, setReason] = useState('')
  const release = useMutation({
    mutationFn: () => {
      const request = { reason: reason.trim() }
      return once('release', { id: hold.order_id, request }, (key) =>
        body(api.POST('/v1/admin/holds/{id}/release', { params: { path: { id: hold.order_id }, header: { 'Idempotency-Key': key } }, body: request })))
    },
    onSuccess: async () => {
      say(t('admin.released'))
      await queries.invalidateQueries({ queryKey: officeKey('holds') })
      done()
    },
  })
  return (
    <form
      className="space-y-4"
      onSubmit={(e) => {
        e.preventDefault()
        if (reason.trim()) release.mutate()
      }}
    >
      {release.error && <ErrorNotice error={release.error} />}
      <p>{t('admin.release_ask')}</p>
      <Input label={t('admin.reason')} maxLength={200} required value={reason} onChange={(e) => setReason(e.target.value)} />
      <Button type="submit" look="danger" busy={release.isPending}>{t('admin.release')}</Button>
    </form>
  )
}
