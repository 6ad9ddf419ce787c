import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { categories, products } from '../api/queries'
import { LinkButton } from '../ui/button'
import { ErrorNotice } from '../ui/notice'
import { GridPlaceholder, ProductGrid } from '../ui/product-card'

export default function Home() {
  const { t } = useTranslation()
  const fresh = useQuery(products({ sort: 'newest', page_size: 12 }))
  return (
    <>
      <title>{t('home.title')}</title>
      <section className="mb-10 rounded-2xl bg-slate-900 px-6 py-12 text-white sm:px-12">
        <h1 className="max-w-xl text-3xl font-bold tracking-tight sm:text-4xl">{t('home.heading')}</h1>
        <p className="mt-3 max-w-xl text-lg text-slate-200">{t('home.lead')}</p>
        <LinkButton to="/products" className="mt-6 bg-white text-slate-900! hover:bg-slate-200">{t('home.browse')}</LinkButton>
      </section>
      <Categories />
      <h2 className="mb-4 text-xl font-semibold">{t('home.new')}</h2>
      {fresh.error ? <ErrorNotice error={fresh.error} retry={() => void fresh.refetch()} />
        : fresh.data ? <ProductGrid products={fresh.data.items} eager={4} heading="h3" /> : <GridPlaceholder />}
    </>
  )
}

/** As many places, whether the list has come or not: nothing below moves. */
const shownCategories = 6

function Categories() {
  const { t } = useTranslation()
  const { data, isError } = useQuery(categories)
  if (isError) return null // the products below are what matters
  const top = data?.items.filter((category) => !category.path.includes('/')).sort((a, b) => b.products - a.products)
  return (
    <nav aria-labelledby="categories" className="mb-10 min-h-28">
      <h2 id="categories" className="mb-4 text-xl font-semibold">{t('home.categories')}</h2>
      <ul className="grid grid-cols-2 gap-3 sm:grid-cols-3 lg:grid-cols-6">
        {Array.from({ length: shownCategories }, (_, i) => top?.[i]).map((category, i) => (
          <li key={i} className="h-20">
            {category && (
              <Link
                to={`/products?category=${encodeURIComponent(category.path)}`}
                className="flex h-20 flex-col justify-center overflow-hidden rounded-xl border border-slate-200 bg-white px-4 hover:border-brand-600"
              >
                <span className="truncate font-medium">{category.name}</span>
                <span className="text-sm text-slate-600">{t('home.products', { count: category.products })}</span>
              </Link>
            )}
          </li>
        ))}
      </ul>
    </nav>
  )
}
