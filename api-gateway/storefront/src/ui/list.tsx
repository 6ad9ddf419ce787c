import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import type { usePages } from '../lib/pages'
import { Button } from './button'
import { ErrorNotice } from './notice'
import { Empty, Placeholder } from './page'

type Props<T> = { list: ReturnType<typeof usePages<T>>; none: string; children: (items: T[]) => ReactNode }

/** A list that is read page by page: what has come, or why it has not, and a button for more. */
export function Pages<T>({ list, none, children }: Props<T>) {
  const { t } = useTranslation()
  if (list.error && !list.items) return <ErrorNotice error={list.error} retry={list.retry} />
  if (!list.items) return <Placeholder className="h-72" />
  if (list.items.length === 0) return <Empty title={none} />
  return (
    <>
      {children(list.items)}
      {list.next && <div className="mt-6 text-center"><Button look="plain" busy={list.busy} onClick={list.next}>{t('shop.more')}</Button></div>}
    </>
  )
}

export const rows = 'divide-y divide-slate-200 rounded-xl border border-slate-200 bg-white'
