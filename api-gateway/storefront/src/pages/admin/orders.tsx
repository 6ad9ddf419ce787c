import { useState, type FormEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { useNavigate } from 'react-router'
import { Button } from '../../ui/button'
import { Input } from '../../ui/field'
import { Page } from '../../ui/page'

export default function FindOrder() {
  const { t } = useTranslation('office')
  const navigate = useNavigate()
  const [id, setID] = useState('')
  const open = (e: FormEvent) => {
    e.preventDefault()
    if (id.trim()) void navigate(`/admin/orders/${encodeURIComponent(id.trim())}`)
  }
  return (
    <Page title={t('admin.orders')} lead={t('admin.orders_hint')}>
      <form onSubmit={open} className="flex max-w-xl items-end gap-3">
        <div className="grow"><Input label={t('admin.order_id')} inputMode="numeric" maxLength={19} value={id} onChange={(e) => setID(e.target.value)} /></div>
        <Button type="submit">{t('admin.open')}</Button>
      </form>
    </Page>
  )
}
