import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'

/** The frame of a page: its title in the tab, its heading, its content. */
export function Page({ title, heading, lead, actions, children }: { title: string; heading?: ReactNode; lead?: ReactNode; actions?: ReactNode; children: ReactNode }) {
  const { t } = useTranslation()
  const shop = t('shop.name')
  return (
    <>
      <title>{title === shop ? shop : `${title} · ${shop}`}</title>
      <div className="mb-6 flex flex-wrap items-end justify-between gap-4">
        <div>
          <h1 className="text-2xl font-bold tracking-tight sm:text-3xl">{heading ?? title}</h1>
          {lead && <p className="mt-1 min-h-6 text-slate-700">{lead}</p>}
        </div>
        {actions}
      </div>
      {children}
    </>
  )
}

export function Card({ children, className = '' }: { children: ReactNode; className?: string }) {
  return <section className={`rounded-xl border border-slate-200 bg-white p-5 ${className}`}>{children}</section>
}

/** Boxes of the size of what is coming. */
export function Placeholder({ className = 'h-40' }: { className?: string }) {
  const { t } = useTranslation()
  return (
    <div role="status" className="late">
      <span className="sr-only">{t('shop.loading')}</span>
      <div className={`animate-pulse rounded-xl bg-slate-200 ${className}`} />
    </div>
  )
}

export function Empty({ title, hint, children }: { title: string; hint?: string; children?: ReactNode }) {
  return (
    <div className="rounded-xl border border-dashed border-slate-300 bg-white px-6 py-14 text-center">
      <p className="text-lg font-medium">{title}</p>
      {hint && <p className="mt-1 text-slate-700">{hint}</p>}
      {children && <div className="mt-5 flex justify-center gap-3">{children}</div>}
    </div>
  )
}
