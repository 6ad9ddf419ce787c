import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError } from '../api/problem'
import { Button } from './button'

const tones = {
  info: 'border-sky-300 bg-sky-50 text-sky-950',
  good: 'border-brand-600 bg-brand-50 text-brand-800',
  warn: 'border-amber-400 bg-amber-50 text-amber-950',
  bad: 'border-red-300 bg-red-50 text-red-900',
}

export function Notice({ tone = 'info', children }: { tone?: keyof typeof tones; children: ReactNode }) {
  return (
    <div role={tone === 'bad' ? 'alert' : 'status'} className={`rounded-lg border px-4 py-3 ${tones[tone]}`}>
      {children}
    </div>
  )
}

/** What an error says to people: in their language if its code is known, else in the mall's words. */
export function useErrorText(): (error: unknown) => string {
  const { t, i18n } = useTranslation()
  return (error) => {
    if (!(error instanceof ApiError)) return t('errors.title')
    const key = `errors.${error.code}`
    if (i18n.exists(key)) return t(key as 'errors.title')
    return error.problem?.detail || t('errors.unavailable')
  }
}

export function ErrorNotice({ error, retry }: { error: unknown; retry?: () => void }) {
  const { t } = useTranslation()
  const text = useErrorText()
  const trace = error instanceof ApiError && error.status >= 500 ? error.problem?.trace_id : undefined
  return (
    <Notice tone="bad">
      <p>{text(error)}</p>
      {trace && <p className="mt-1 font-mono text-xs">{t('errors.trace', { id: trace })}</p>}
      {retry && <Button look="plain" className="mt-3" onClick={retry}>{t('shop.retry')}</Button>}
    </Notice>
  )
}
