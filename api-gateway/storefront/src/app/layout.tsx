import * as Menu from '@radix-ui/react-dropdown-menu'
import { useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, Outlet, ScrollRestoration, useLocation, useNavigate, useNavigation } from 'react-router'
import { useCart, useSession } from '../api/queries'
import { signOut } from '../api/session'
import { choose, languages, type Language } from '../i18n'
import { useGuestLines } from '../lib/cart'
import { useInterruptedMerge } from '../lib/after-sign-in'
import { useOnline } from '../lib/online'
import { Notice, useErrorText } from '../ui/notice'
import { Search } from '../ui/search'
import { Toasts, useToast } from '../ui/toast'

export function Layout() {
  const { t } = useTranslation()
  const online = useOnline()
  const main = useRef<HTMLElement>(null)
  const { pathname } = useLocation()
  const first = useRef(true)
  useEffect(() => {
    if (first.current) first.current = false
    else main.current?.focus() // screen readers go on from the new page
  }, [pathname])
  return (
    <Toasts>
      <a href="#main" className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:bg-white focus:p-3">{t('shop.skip')}</a>
      <InterruptedMerge />
      <Header />
      <Progress />
      <main id="main" ref={main} tabIndex={-1} className="mx-auto min-h-screen max-w-6xl px-4 py-8 outline-none">
        {!online && <div className="mb-6"><Notice tone="warn">{t('shop.offline')}</Notice></div>}
        <Outlet />
      </main>
      <Footer />
      <ScrollRestoration />
    </Toasts>
  )
}

function InterruptedMerge() {
  useInterruptedMerge()
  return null
}

function Progress() {
  const busy = useNavigation().state !== 'idle'
  return <div aria-hidden className={`late h-0.5 bg-brand-600 ${busy ? 'animate-pulse' : 'invisible'}`} />
}

function Header() {
  const { t } = useTranslation()
  return (
    <header className="border-b border-slate-200 bg-white">
      <div className="mx-auto flex max-w-6xl flex-wrap items-center gap-x-6 gap-y-3 px-4 py-3">
        <Link to="/" className="flex min-h-11 items-center gap-2 text-lg font-bold tracking-tight">
          <img src="/favicon.svg" alt="" width={28} height={28} />
          {t('shop.name')}
        </Link>
        <div className="order-last w-full sm:order-none sm:w-auto sm:grow"><Search /></div>
        <nav className="ml-auto flex items-center gap-1 sm:ml-0" aria-label={t('shop.menu')}>
          <CartLink />
          <AccountMenu />
        </nav>
      </div>
    </header>
  )
}

function CartLink() {
  const { t } = useTranslation()
  const signedIn = useSession().status === 'signed-in'
  const guest = useGuestLines()
  const { data } = useCart()
  const lines = signedIn ? (data?.items ?? []) : guest
  const count = lines.reduce((sum, line) => sum + line.quantity, 0)
  return (
    <Link
      to="/cart"
      aria-label={count ? t('shop.cart_count', { count }) : t('shop.cart')}
      className="relative inline-flex min-h-11 min-w-11 items-center justify-center rounded-lg px-3 hover:bg-slate-100"
    >
      <svg aria-hidden viewBox="0 0 24 24" className="size-6" fill="none" stroke="currentColor" strokeWidth="1.8" strokeLinecap="round" strokeLinejoin="round">
        <path d="M3 4h2l2.4 11.2a1 1 0 0 0 1 .8h8.8a1 1 0 0 0 1-.76L20 8H6" />
        <circle cx="9.5" cy="19.5" r="1.3" /><circle cx="16.5" cy="19.5" r="1.3" />
      </svg>
      {count > 0 && (
        <span aria-hidden className="absolute right-0.5 top-0.5 min-w-5 rounded-full bg-brand-700 px-1 text-center text-xs font-semibold leading-5 text-white">
          {count > 99 ? '99+' : count}
        </span>
      )}
    </Link>
  )
}

const item = 'block cursor-pointer rounded-md px-3 py-2 outline-none data-highlighted:bg-slate-100'

function AccountMenu() {
  const { t } = useTranslation()
  const state = useSession()
  const leave = useSignOut()
  if (state.status !== 'signed-in') {
    return <Link to="/sign-in" className="inline-flex min-h-11 items-center rounded-lg px-3 font-medium hover:bg-slate-100">{t('shop.sign_in')}</Link>
  }
  const roles = state.user.roles
  return (
    <Menu.Root modal={false}>
      <Menu.Trigger className="inline-flex min-h-11 items-center rounded-lg px-3 font-medium hover:bg-slate-100">{t('shop.account')}</Menu.Trigger>
      <Menu.Content align="end" sideOffset={6} className="z-40 min-w-48 rounded-lg border border-slate-200 bg-white p-1 shadow-lg">
        <Menu.Item asChild><Link to="/orders" className={item}>{t('shop.orders')}</Link></Menu.Item>
        <Menu.Item asChild><Link to="/account" className={item}>{t('account.title')}</Link></Menu.Item>
        <Menu.Item asChild><Link to="/account/addresses" className={item}>{t('address.title')}</Link></Menu.Item>
        {roles.includes('seller') && <Menu.Item asChild><Link to="/sell" className={item}>{t('shop.sell')}</Link></Menu.Item>}
        {roles.includes('admin') && <Menu.Item asChild><Link to="/admin" className={item}>{t('shop.admin')}</Link></Menu.Item>}
        <Menu.Separator className="my-1 border-t border-slate-200" />
        <Menu.Item className={item} onSelect={leave}>{t('shop.sign_out')}</Menu.Item>
      </Menu.Content>
    </Menu.Root>
  )
}

function useSignOut() {
  const navigate = useNavigate()
  const say = useToast()
  const text = useErrorText()
  return () =>
    void signOut().then(
      () => void navigate('/'),
      (error: unknown) => say(text(error)),
    )
}

function Footer() {
  const { t, i18n } = useTranslation()
  const [language, setLanguage] = useState(i18n.language)
  return (
    <footer className="border-t border-slate-200 bg-white">
      <div className="mx-auto flex max-w-6xl flex-wrap items-center justify-between gap-4 px-4 py-6 text-sm text-slate-700">
        <p>{t('shop.tagline')}</p>
        <div className="flex items-center gap-4">
          <a href="/docs/" className="inline-flex min-h-6 items-center underline underline-offset-2">{t('shop.api')}</a>
          <label className="flex items-center gap-2">
            {t('shop.language')}
            <select
              value={language}
              onChange={(e) => {
                setLanguage(e.target.value)
                choose(e.target.value as Language)
              }}
              className="min-h-9 rounded-md border border-slate-400 bg-white px-2"
            >
              {Object.entries(languages).map(([code, name]) => <option key={code} value={code} lang={code}>{name}</option>)}
            </select>
          </label>
        </div>
      </div>
    </footer>
  )
}
