import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState, type FormEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { api, body, type Order, type Payment, type Schemas } from '../api/client'
import { ApiError, isCode } from '../api/problem'
import { order as orderQuery, payments } from '../api/queries'
import { groupDigits, luhn, parseExpiry } from '../lib/card'
import { useFormat } from '../lib/format'
import { Button } from './button'
import { Input } from './field'
import { ErrorNotice, Notice } from './notice'

/**
 * Pays an order. Each try has one key until the mall has said how it ended: while an answer is missing, the same card
 * repeats the same payment. The card itself is never kept; after a reload the order's payments tell what is under way.
 */
export function Pay({ order }: { order: Order }) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const [key, setKey] = useState(() => crypto.randomUUID())
  const payment = useNewestPayment(order.id)
  const settle = () => {
    setKey(crypto.randomUUID())
    void queries.invalidateQueries({ queryKey: payments(order.id).queryKey })
    void queries.invalidateQueries({ queryKey: orderQuery(order.id).queryKey })
  }
  const pay = useMutation({
    mutationFn: async (card: Schemas['Card']) =>
      body(api.POST('/v1/payments', { params: { header: { 'Idempotency-Key': key } }, body: { order_id: order.id, card } })),
    retry: (failures, error) => failures < 2 && error instanceof ApiError && (error.outcomeUnknown || error.code === 'request_in_progress'),
    onSuccess: settle,
    onError: (error) => {
      if (error instanceof ApiError && !error.outcomeUnknown && error.status !== 429) settle()
    },
  })
  if (payment?.status === 'processing' && !pay.isPending) return <Notice>{t('pay.processing')}</Notice>
  if (payment?.status === 'requires_action' && payment.next_action) return <Confirm payment={payment} settle={settle} />
  return (
    <>
      {pay.error ? <Refused error={pay.error} /> : payment?.status === 'failed' && <Declined reason={payment.failure_code} />}
      <CardForm order={order} busy={pay.isPending} onCard={(card) => pay.mutate(card)} />
    </>
  )
}

/** The newest payment of an order, read again until it is settled. */
function useNewestPayment(orderId: string): Payment | undefined {
  const { data } = useQuery({
    ...payments(orderId),
    refetchInterval: ({ state }) => (state.data?.items[0]?.status === 'processing' ? 1000 : false),
  })
  return data?.items[0]
}

function Declined({ reason }: { reason: string | undefined }) {
  const { t } = useTranslation()
  const text = t(`pay.reasons.${(reason ?? 'card_declined') as 'card_declined'}`, { defaultValue: reason ?? '' })
  return <div className="mb-4"><Notice tone="bad">{t('pay.declined', { reason: text })}</Notice></div>
}

function Refused({ error }: { error: unknown }) {
  const { t } = useTranslation()
  if (isCode(error, 'card_declined', 'insufficient_funds', 'authentication_failed')) return <Declined reason={error.code} />
  const lost = error instanceof ApiError && error.outcomeUnknown
  const running = isCode(error, 'payment_in_progress', 'request_in_progress')
  return <div className="mb-4">{lost || running ? <Notice tone="warn">{lost ? t('pay.lost') : t('pay.in_progress')}</Notice> : <ErrorNotice error={error} />}</div>
}

function CardForm({ order, busy, onCard }: { order: Order; busy: boolean; onCard: (card: Schemas['Card']) => void }) {
  const { t } = useTranslation()
  const { money } = useFormat()
  const [number, setNumber] = useState('')
  const [expiry, setExpiry] = useState('')
  const [cvc, setCvc] = useState('')
  const [tried, setTried] = useState(false)
  const digits = number.replaceAll(' ', '')
  const when = parseExpiry(expiry)
  const problems = {
    number: luhn(digits) ? undefined : t('pay.number_bad'),
    expiry: when ? undefined : t('pay.expiry_bad'),
    cvc: /^\d{3,4}$/.test(cvc) ? undefined : t('pay.cvc_bad'),
  }
  const submit = (e: FormEvent) => {
    e.preventDefault()
    setTried(true)
    if (busy || !when || problems.number || problems.cvc) return
    onCard({ number: digits, ...when, cvc })
  }
  return (
    <form onSubmit={submit} noValidate className="space-y-4">
      <h2 className="text-lg font-semibold">{t('pay.title')}</h2>
      <Input label={t('pay.number')} inputMode="numeric" autoComplete="cc-number" placeholder="4242 4242 4242 4242" value={number} onChange={(e) => setNumber(groupDigits(e.target.value))} error={tried ? problems.number : undefined} />
      <div className="grid grid-cols-2 gap-4">
        <Input label={t('pay.expiry')} inputMode="numeric" autoComplete="cc-exp" placeholder="08/30" value={expiry} onChange={(e) => setExpiry(e.target.value)} error={tried ? problems.expiry : undefined} />
        <Input label={t('pay.cvc')} inputMode="numeric" autoComplete="cc-csc" placeholder="123" maxLength={4} value={cvc} onChange={(e) => setCvc(e.target.value.replace(/\D/g, ''))} error={tried ? problems.cvc : undefined} />
      </div>
      <Button type="submit" busy={busy} className="w-full">{busy ? t('pay.paying') : t('pay.pay', { amount: money(order.total, order.currency) })}</Button>
      <p className="text-sm text-slate-700">{t('pay.safe')} {t('pay.sandbox')}</p>
    </form>
  )
}

/** The page of the card's bank, or what stands for it in the sandbox. */
function Confirm({ payment, settle }: { payment: Payment; settle: () => void }) {
  const { t } = useTranslation()
  const answer = useMutation({
    mutationFn: (approve: boolean) => body(api.POST('/v1/sandbox/payments/{id}/confirm', { params: { path: { id: payment.id } }, body: { approve } })),
    onSuccess: settle,
  })
  const action = payment.next_action!
  return (
    <div className="space-y-4">
      <Notice>{t('pay.action')}</Notice>
      {answer.error && <ErrorNotice error={answer.error} />}
      {action.type === 'confirm_in_sandbox' && (
        <div className="flex gap-3">
          <Button busy={answer.isPending} onClick={() => answer.mutate(true)}>{t('pay.approve')}</Button>
          <Button look="plain" busy={answer.isPending} onClick={() => answer.mutate(false)}>{t('pay.reject')}</Button>
        </div>
      )}
      {action.type === 'redirect_to_url' && action.redirect_url && <a href={action.redirect_url} className="font-medium text-brand-700 underline">{t('pay.approve')}</a>}
    </div>
  )
}
