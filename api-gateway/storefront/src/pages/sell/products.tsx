import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { api, body, type Schemas } from '../../api/client'
import { officeKey } from '../../api/queries'
import { useFormat } from '../../lib/format'
import { usePages } from '../../lib/pages'
import { LinkButton } from '../../ui/button'
import { Pages, rows } from '../../ui/list'
import { Page } from '../../ui/page'
import { Picture } from '../../ui/picture'

export default function OwnProducts() {
  const { t } = useTranslation('office')
  const list = usePages(officeKey('products'), (page_token, signal) =>
    body(api.GET('/v1/seller/products', { params: { query: { ...(page_token && { page_token }) } }, signal })))
  return (
    <Page title={t('sell.products')} actions={<LinkButton to="/sell/products/new">{t('sell.new')}</LinkButton>}>
      <Pages list={list} none={t('sell.none')}>
        {(items) => <ul className={rows}>{items.map((product) => <li key={product.id}><Row product={product} /></li>)}</ul>}
      </Pages>
    </Page>
  )
}

function Row({ product }: { product: Schemas['AdminProduct'] }) {
  const { t } = useTranslation('office')
  const { money } = useFormat()
  const stock = product.available === null ? t('sell.untracked') : t('sell.available', { count: product.available })
  const text = (
    <>
      <span className="w-14"><Picture src={product.image_url} alt="" /></span>
      <span className="min-w-0">
        <span className="block font-medium">{product.name}</span>
        <span className="block text-sm text-slate-700">{product.sku ?? t('sell.no_sku')} · {t(`sell.state.${product.state}`)}</span>
      </span>
      <span className="col-start-2 sm:col-start-auto sm:text-right">
        <span className="font-semibold">{money(product.price, product.currency)}</span>
        <span className={`ml-3 text-sm sm:ml-0 sm:block ${product.available === 0 ? 'font-medium text-red-800' : 'text-slate-700'}`}>{stock}</span>
      </span>
    </>
  )
  const line = 'grid grid-cols-[3.5rem_minmax(0,1fr)] items-center gap-x-4 p-4 sm:grid-cols-[3.5rem_minmax(0,1fr)_auto]'
  if (product.state !== 'on_sale') return <div className={line}>{text}</div>
  return <Link to={`/sell/products/${product.id}`} className={`${line} hover:bg-slate-50`}>{text}</Link>
}
