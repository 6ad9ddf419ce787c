import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useForm } from 'react-hook-form'
import { useTranslation } from 'react-i18next'
import { api, body, type Schemas } from '../../api/client'
import { officeKey } from '../../api/queries'
import { useFormat } from '../../lib/format'
import { once } from '../../lib/intent'
import { usePages } from '../../lib/pages'
import { Button } from '../../ui/button'
import { Input } from '../../ui/field'
import { showFieldErrors } from '../../ui/form'
import { Pages } from '../../ui/list'
import { ErrorNotice } from '../../ui/notice'
import { Card } from '../../ui/page'
import { useToast } from '../../ui/toast'

/** The stock of a product: how much there is, a change by hand, and its ledger. */
export function Stock({ id }: { id: string }) {
  const { t } = useTranslation('office')
  const key = officeKey('stock', id)
  const list = usePages(key, (page_token, signal) =>
    body(api.GET('/v1/products/{id}/stock', { params: { path: { id }, query: { page_size: 10, ...(page_token && { page_token }) } }, signal })))
  const newest = list.items?.[0]
  return (
    <div className="space-y-6">
      <Card>
        <h2 className="mb-3 text-lg font-semibold">{t('sell.stock_now')}</h2>
        <dl className="mb-5 grid grid-cols-[1fr_auto] gap-y-1">
          <dt>{t('sell.on_hand')}</dt><dd className="text-right font-semibold">{newest?.on_hand ?? '…'}</dd>
          <dt>{t('sell.reserved')}</dt><dd className="text-right font-semibold">{newest?.reserved ?? '…'}</dd>
        </dl>
        <Adjust id={id} version={newest?.version ?? 0} />
      </Card>
      <Card>
        <h2 className="mb-3 text-lg font-semibold">{t('sell.ledger')}</h2>
        <Pages list={list} none={t('sell.no_ledger')}>
          {(items) => <ol className="divide-y divide-slate-200">{items.map((entry) => <li key={entry.version} className="py-3 first:pt-0"><Entry entry={entry} /></li>)}</ol>}
        </Pages>
      </Card>
    </div>
  )
}

function Entry({ entry }: { entry: Schemas['StockEntry'] }) {
  const { t } = useTranslation('office')
  const { time } = useFormat()
  const change = entry.on_hand_delta || entry.reserved_delta
  return (
    <>
      <p className="flex justify-between gap-4">
        <span className="font-medium">{t(`sell.kind.${entry.kind}`)}{entry.reason && `: ${entry.reason}`}</span>
        <span className="whitespace-nowrap font-semibold">{change > 0 ? `+${change}` : change}</span>
      </p>
      <p className="text-sm text-slate-700">{time(entry.at)} · {t('sell.after', { hand: entry.on_hand, reserved: entry.reserved })}</p>
    </>
  )
}

/** version is that of the stock that the seller sees: the same change again, after it was done, is another one. */
function Adjust({ id, version }: { id: string; version: number }) {
  const { t } = useTranslation('office')
  const queries = useQueryClient()
  const say = useToast()
  const [error, setError] = useState<unknown>()
  const { register, handleSubmit, reset, setError: setFieldError, formState } = useForm({ defaultValues: { delta: '', reason: '' } })
  const submit = handleSubmit(async ({ delta, reason }) => {
    setError(undefined)
    const request = { delta: Number(delta), reason: reason.trim() }
    try {
      await once('stock', { id, version, request }, (key) =>
        body(api.POST('/v1/products/{id}/stock', { params: { path: { id }, header: { 'Idempotency-Key': key } }, body: request })))
      reset()
      say(t('sell.booked'))
      void queries.invalidateQueries({ queryKey: officeKey('stock', id) })
      void queries.invalidateQueries({ queryKey: officeKey('products') })
    } catch (e) {
      if (!showFieldErrors(e, ['delta', 'reason'], setFieldError)) setError(e)
    }
  })
  return (
    <form onSubmit={(e) => void submit(e)} noValidate className="space-y-4">
      {error !== undefined && <ErrorNotice error={error} />}
      <Input label={t('sell.delta')} hint={t('sell.delta_hint')} {...register('delta', { validate: (v) => (/^[+-]?\d{1,9}$/.test(v.trim()) && Number(v) !== 0) || t('sell.whole') })} error={formState.errors.delta?.message} />
      <Input label={t('sell.reason')} maxLength={200} {...register('reason', { required: t('sell.missing') })} error={formState.errors.reason?.message} />
      <Button type="submit" look="plain" busy={formState.isSubmitting}>{t('sell.book')}</Button>
    </form>
  )
}
