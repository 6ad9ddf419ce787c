import { useTranslation } from 'react-i18next'
import { api, body, type Schemas } from '../../api/client'
import { officeKey } from '../../api/queries'
import { useFormat } from '../../lib/format'
import { usePages } from '../../lib/pages'
import { AddressText } from '../../ui/address-text'
import { Pages, rows } from '../../ui/list'
import { Page } from '../../ui/page'
import { Status } from '../../ui/status'

export default function SoldOrders() {
  const { t } = useTranslation('office')
  const list = usePages(officeKey('sold'), (page_token, signal) =>
    body(api.GET('/v1/seller/orders', { params: { query: { ...(page_token && { page_token }) } }, signal })))
  return (
    <Page title={t('sell.orders')} lead={t('sell.sold_lead')}>
      <Pages list={list} none={t('sell.sold_none')}>
        {(items) => <ul className={rows}>{items.map((sold) => <li key={sold.order_id}><Row sold={sold} /></li>)}</ul>}
      </Pages>
    </Page>
  )
}

function Row({ sold }: { sold: Schemas['Sold'] }) {
  const { t } = useTranslation('office')
  const { t: shop } = useTranslation()
  const { time } = useFormat()
  return (
    <article className="grid gap-4 p-4 sm:grid-cols-2">
      <div>
        <h2 className="flex flex-wrap items-center gap-3 font-medium">{shop('orders.order', { id: sold.order_id })} <Status status={sold.status} /></h2>
        <p className="text-sm text-slate-700">{time(sold.paid_at)}</p>
        <ul className="mt-2">
          {sold.lines.map((line) => <li key={line.product_id}>{line.quantity} × {line.name}</li>)}
        </ul>
      </div>
      {sold.address ? <AddressText address={sold.address} /> : <p className="text-sm text-slate-700">{t('sell.not_sent')}</p>}
    </article>
  )
}
