import { useTranslation } from 'react-i18next'
import type { Order } from '../api/client'

const tones = {
  awaiting_payment: 'bg-amber-100 text-amber-950',
  paid: 'bg-brand-100 text-brand-800',
  cancelled: 'bg-slate-200 text-slate-800',
  refunded: 'bg-sky-100 text-sky-950',
}

export function Status({ status }: { status: Order['status'] }) {
  const { t } = useTranslation()
  return <span className={`inline-block rounded-full px-3 py-1 text-sm font-medium ${tones[status]}`}>{t(`orders.status.${status}`)}</span>
}
