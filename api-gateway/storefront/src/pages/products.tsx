import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { useSearchParams } from 'react-router'
import { api, body } from '../api/client'
import { categories, currency, type Filter } from '../api/queries'
import { parseMoney } from '../lib/money'
import { Button } from '../ui/button'
import { Input, Select } from '../ui/field'
import { ErrorNotice } from '../ui/notice'
import { Empty, Page } from '../ui/page'
import { GridPlaceholder, ProductGrid } from '../ui/product-card'

const sorts = { relevance: 'relevance', newest: 'newest', price: 'price', '-price': 'price_down' } as const
const names = ['q', 'category', 'min_price', 'max_price', 'sort'] as const
const pageSize = 24

/** The address of the page holds the filters and how far the list was read, so that reload and back show the same. */
export default function Products() {
  const { t } = useTranslation()
  const [params, setParams] = useSearchParams()
  const filter = Object.fromEntries(names.flatMap((n) => (params.get(n) ? [[n, params.get(n)]] : []))) as Filter
  const pages = Math.min(Math.max(Number(params.get('pages')) || 1, 1), 20)
  const list = useProducts(filter, pages)
  const first = list.data?.pages[0]
  const title = filter.q ? t('list.for', { q: filter.q }) : (filter.category?.split('/').at(-1) ?? t('list.title'))

  const change = (changes: Record<string, string>) => {
    const next = new URLSearchParams(params)
    next.delete('pages')
    for (const [name, value] of Object.entries(changes)) if (value) next.set(name, value); else next.delete(name)
    setParams(next)
  }
  const more = () => {
    const next = new URLSearchParams(params)
    next.set('pages', String((list.data?.pages.length ?? 1) + 1))
    setParams(next, { replace: true, preventScrollReset: true })
    void list.fetchNextPage()
  }
  const items = list.data?.pages.flatMap((page) => page.items) ?? []
  const count = first?.total ?? 0
  return (
    <Page title={title} lead={first && count > 0 ? t(first.total_capped ? 'list.found_many' : 'list.found', { count }) : ' '}>
      <div className="grid gap-8 md:grid-cols-[14rem_minmax(0,1fr)]">
        <Filters filter={filter} change={change} />
        <div>
          {list.error ? <ErrorNotice error={list.error} retry={() => void list.refetch()} />
            : !first ? <GridPlaceholder />
            : items.length === 0 ? (
              <Empty title={t('list.none')} hint={t('list.none_hint')}>
                <Button look="plain" onClick={() => setParams({})}>{t('list.clear')}</Button>
              </Empty>
            ) : (
              <>
                <ProductGrid products={items} eager={6} heading="h2" />
                <div className="mt-10 text-center">
                  {list.hasNextPage
                    ? <Button look="plain" busy={list.isFetchingNextPage} onClick={more}>{t('shop.more')}</Button>
                    : <p className="text-slate-600">{t('list.end')}</p>}
                </div>
              </>
            )}
        </div>
      </div>
    </Page>
  )
}

function useProducts(filter: Filter, pages: number) {
  return useInfiniteQuery({
    queryKey: ['products', 'pages', filter],
    queryFn: async ({ pageParam, signal }) => {
      // A page that is reloaded shows as much as before.
      const wanted = pageParam === '' ? pages : 1
      const all = await read(filter, pageParam, signal)
      for (let i = 1; i < wanted && all.next_page_token; i++) {
        const next = await read(filter, all.next_page_token, signal)
        all.items = [...all.items, ...next.items]
        all.next_page_token = next.next_page_token
      }
      return all
    },
    initialPageParam: '',
    getNextPageParam: (last) => last.next_page_token,
    staleTime: 10_000,
  })
}

function read(filter: Filter, token: string, signal: AbortSignal) {
  const query = { ...filter, page_size: pageSize, ...(token && { page_token: token }) }
  return body(api.GET('/v1/products', { params: { query: query as never }, signal }))
}

function Filters({ filter, change }: { filter: Filter; change: (changes: Record<string, string>) => void }) {
  const { t } = useTranslation()
  const { data } = useQuery(categories)
  const { data: money } = useQuery(currency)
  const exponent = money?.exponent ?? 2
  const shown = (amount?: string) => (amount ? String(Number(amount) / 10 ** exponent) : '')
  return (
    <aside aria-label={t('list.filters')} className="space-y-5">
      <Select label={t('list.sort')} value={filter.sort ?? (filter.q ? 'relevance' : 'newest')} onChange={(e) => change({ sort: e.target.value })}>
        {Object.entries(sorts).filter(([sort]) => filter.q || sort !== 'relevance').map(([sort, key]) => (
          <option key={sort} value={sort}>{t(`list.${key}`)}</option>
        ))}
      </Select>
      <Select label={t('list.category')} value={filter.category ?? ''} onChange={(e) => change({ category: e.target.value })}>
        <option value="">{t('shop.all')}</option>
        {data?.items.map((c) => <option key={c.path} value={c.path}>{'\u2003'.repeat(c.path.split('/').length - 1) + c.name} ({c.products})</option>)}
      </Select>
      <form
        key={`${filter.min_price}-${filter.max_price}-${exponent}`}
        className="grid grid-cols-2 gap-3"
        onSubmit={(e) => {
          e.preventDefault()
          const form = new FormData(e.currentTarget)
          const amount = (name: string) => parseMoney(String(form.get(name)), exponent)?.toString() ?? ''
          change({ min_price: amount('min'), max_price: amount('max') })
        }}
      >
        <Input label={t('list.min')} name="min" inputMode="decimal" defaultValue={shown(filter.min_price)} />
        <Input label={t('list.max')} name="max" inputMode="decimal" defaultValue={shown(filter.max_price)} />
        <Button look="plain" type="submit" className="col-span-2">{t('list.apply')}</Button>
      </form>
    </aside>
  )
}
