import { useInfiniteQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { Link, useSearchParams } from 'react-router'
import { api, body, type Order } from '../api/client'
import { useFormat } from '../lib/format'
import { Button, LinkButton } from '../ui/button'
import { Select } from '../ui/field'
import { ErrorNotice } from '../ui/notice'
import { Empty, Page, Placeholder } from '../ui/page'
import { Status } from '../ui/status'

const statuses = ['awaiting_payment', 'paid', 'cancelled', 'refunded'] as const

export default function Orders() {
  const { t } = useTranslation()
  const [params, setParams] = useSearchParams()
  const status = statuses.find((s) => s === params.get('status'))
  const list = useInfiniteQuery({
    queryKey: ['mine', 'orders', status ?? ''],
    queryFn: ({ pageParam, signal }) =>
      body(api.GET('/v1/orders', { params: { query: { ...(status && { status }), ...(pageParam && { page_token: pageParam }) } }, signal })),
    initialPageParam: '',
    getNextPageParam: (last) => last.next_page_token,
    refetchInterval: 5000, // status is live enough here; the page of an order has a stream
  })
  const orders = list.data?.pages.flatMap((page) => page.items)
  const filter = (
    <Select label={t('orders.title')} hideLabel value={status ?? ''} onChange={(e) => setParams(e.target.value ? { status: e.target.value } : {})}>
      <option value="">{t('shop.all')}</option>
      {statuses.map((s) => <option key={s} value={s}>{t(`orders.status.${s}`)}</option>)}
    </Select>
  )
  return (
    <Page title={t('orders.title')} actions={<div className="w-48">{filter}</div>}>
      {list.error && !orders ? <ErrorNotice error={list.error} retry={() => void list.refetch()} />
        : !orders ? <Placeholder />
        : orders.length === 0 ? <Empty title={t('orders.none')}><LinkButton to="/products">{t('cart.shop')}</LinkButton></Empty>
        : (
          <>
            <ul className="divide-y divide-slate-200 rounded-xl border border-slate-200 bg-white">
              {orders.map((order) => <li key={order.id}><Row order={order} /></li>)}
            </ul>
            {list.hasNextPage && (
              <div className="mt-8 text-center"><Button look="plain" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t('shop.more')}</Button></div>
            )}
          </>
        )}
    </Page>
  )
}

function Row({ order }: { order: Order }) {
  const { t } = useTranslation()
  const { money, time, list } = useFormat()
  const count = order.lines.reduce((sum, line) => sum + line.quantity, 0)
  return (
    <Link to={`/orders/${order.id}`} className="grid gap-x-4 gap-y-1 p-4 hover:bg-slate-50 sm:grid-cols-[1fr_auto_8rem] sm:items-center">
      <span className="min-w-0">
        <span className="block truncate font-medium">{list(order.lines.map((line) => line.name))}</span>
        <span className="block text-sm text-slate-700">{time(order.created_at)} · {t('orders.items', { count })}</span>
      </span>
      <span><Status status={order.status} /></span>
      <span className="font-semibold sm:text-right">{money(order.total, order.currency)}</span>
    </Link>
  )
}
