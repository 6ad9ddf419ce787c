import { useTranslation } from 'react-i18next'
import { NavLink, Outlet } from 'react-router'
import { useUser } from '../api/queries'
import { addOfficeTexts } from '../i18n/office'
import NotFound from '../pages/not-found'

addOfficeTexts()

const entry = 'inline-flex min-h-11 items-center border-b-2 border-transparent px-1 font-medium text-slate-700 hover:text-slate-900 aria-[current=page]:border-brand-700 aria-[current=page]:text-slate-900'

type Props = { role: 'seller' | 'admin'; title: string; links: readonly (readonly [to: string, text: string])[] }

/** The frame of pages for sellers or admins. To others they do not exist; the mall refuses them anyway. */
function Office({ role, title, links }: Props) {
  const user = useUser()
  if (!user?.roles.includes(role)) return <NotFound />
  return (
    <>
      <nav aria-label={title} className="mb-8 flex flex-wrap gap-x-6 border-b border-slate-200">
        {links.map(([to, text]) => <NavLink key={to} to={to} end className={entry}>{text}</NavLink>)}
      </nav>
      <Outlet />
    </>
  )
}

export function Sell() {
  const { t } = useTranslation('office')
  return <Office role="seller" title={t('sell.title')} links={[['/sell', t('sell.products')], ['/sell/orders', t('sell.orders')]]} />
}

export function Admin() {
  const { t } = useTranslation('office')
  const pages = ['orders', 'holds', 'parked', 'audit', 'settings'] as const
  return <Office role="admin" title={t('admin.title')} links={[['/admin', t('admin.users')], ...pages.map((name) => [`/admin/${name}`, t(`admin.${name}`)] as const)]} />
}
