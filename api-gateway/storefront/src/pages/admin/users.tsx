import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState, type FormEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { useSearchParams } from 'react-router'
import { api, body, type Schemas } from '../../api/client'
import { officeKey, useUser } from '../../api/queries'
import { useFormat } from '../../lib/format'
import { usePages } from '../../lib/pages'
import { Button } from '../../ui/button'
import { Dialog } from '../../ui/dialog'
import { Input } from '../../ui/field'
import { Pages, rows } from '../../ui/list'
import { ErrorNotice, useErrorText } from '../../ui/notice'
import { Page } from '../../ui/page'
import { useToast } from '../../ui/toast'

type User = Schemas['AdminUser']

export default function Users() {
  const { t } = useTranslation('office')
  const [params, setParams] = useSearchParams()
  const email = params.get('email') ?? ''
  const list = usePages(officeKey('users', email), (page_token, signal) =>
    body(api.GET('/v1/admin/users', { params: { query: { ...(email && { email }), ...(page_token && { page_token }) } }, signal })))
  const find = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    const wanted = String(new FormData(e.currentTarget).get('email')).trim()
    setParams(wanted ? { email: wanted } : {})
  }
  return (
    <Page title={t('admin.users')}>
      <form key={email} onSubmit={find} className="mb-6 flex max-w-xl items-end gap-3">
        <div className="grow"><Input label={t('admin.email')} name="email" type="email" maxLength={254} defaultValue={email} /></div>
        <Button type="submit" look="plain">{t('admin.find')}</Button>
      </form>
      <Pages list={list} none={t('admin.no_users')}>
        {(items) => <ul className={rows}>{items.map((user) => <li key={user.id}><Row user={user} /></li>)}</ul>}
      </Pages>
    </Page>
  )
}

function Row({ user }: { user: User }) {
  const { t } = useTranslation('office')
  const { date, list } = useFormat()
  const me = useUser()
  const [doing, setDoing] = useState<'roles' | 'ban'>()
  const unban = useChange(() => body(api.DELETE('/v1/admin/users/{id}/ban', { params: { path: { id: user.id } }, body: {} })))
  return (
    <div className="flex flex-wrap items-center justify-between gap-3 p-4">
      <div className="min-w-0">
        <p className="font-medium">{user.email}</p>
        <p className="text-sm text-slate-700">{list(user.roles.map((role) => t(`admin.role.${role}`)))} · {t('admin.since', { at: date(user.created_at) })}</p>
        {user.banned && <p className="text-sm font-medium text-red-800">{t('admin.banned', { reason: user.ban_reason ?? '' })}</p>}
      </div>
      <div className="flex gap-3">
        <Button look="plain" aria-label={`${t('admin.change_roles')}: ${user.email}`} onClick={() => setDoing('roles')}>{t('admin.change_roles')}</Button>
        {user.banned
          ? <Button look="plain" busy={unban.isPending} aria-label={`${t('admin.unban')}: ${user.email}`} onClick={() => unban.mutate()}>{t('admin.unban')}</Button>
          : user.id !== me?.id && <Button look="danger" aria-label={`${t('admin.ban')}: ${user.email}`} onClick={() => setDoing('ban')}>{t('admin.ban')}</Button>}
      </div>
      <Dialog title={t('admin.roles', { email: user.email })} open={doing === 'roles'} onClose={() => setDoing(undefined)}>
        <Roles user={user} done={() => setDoing(undefined)} />
      </Dialog>
      <Dialog title={t('admin.ban_title', { email: user.email })} open={doing === 'ban'} onClose={() => setDoing(undefined)}>
        <Ban user={user} done={() => setDoing(undefined)} />
      </Dialog>
    </div>
  )
}

function useChange(change: () => Promise<unknown>, done?: () => void) {
  const queries = useQueryClient()
  const say = useToast()
  const text = useErrorText()
  return useMutation({
    mutationFn: change,
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: officeKey('users') })
      done?.()
    },
    onError: (e) => {
      if (!done) say(text(e)) // a dialog shows it itself
    },
  })
}

const roles = ['customer', 'seller', 'admin'] as const

function Roles({ user, done }: { user: User; done: () => void }) {
  const { t } = useTranslation('office')
  const { t: shop } = useTranslation()
  const [chosen, setChosen] = useState<readonly (typeof roles)[number][]>(user.roles)
  const change = useChange(() => body(api.PUT('/v1/admin/users/{id}/roles', { params: { path: { id: user.id } }, body: { roles: [...chosen] } })), done)
  return (
    <form
      className="space-y-4"
      onSubmit={(e) => {
        e.preventDefault()
        change.mutate()
      }}
    >
      {change.error && <ErrorNotice error={change.error} />}
      {roles.map((role) => (
        <label key={role} className="flex min-h-8 items-center gap-3">
          <input type="checkbox" checked={chosen.includes(role)} onChange={(e) => setChosen(roles.filter((r) => (r === role ? e.target.checked : chosen.includes(r))))} className="size-4 accent-brand-700" />
          {t(`admin.role.${role}`)}
        </label>
      ))}
      <p className="text-sm text-slate-700">{t('admin.roles_hint')}</p>
      <Button type="submit" busy={change.isPending} disabled={chosen.length === 0}>{shop('shop.save')}</Button>
    </form>
  )
}

function Ban({ user, done }: { user: User; done: () => void }) {
  const { t } = useTranslation('office')
  const [reason, setReason] = useState('')
  const ban = useChange(() => body(api.PUT('/v1/admin/users/{id}/ban', { params: { path: { id: user.id } }, body: { reason: reason.trim() } })), done)
  return (
    <form
      className="space-y-4"
      onSubmit={(e) => {
        e.preventDefault()
        if (reason.trim()) ban.mutate()
      }}
    >
      {ban.error && <ErrorNotice error={ban.error} />}
      <p>{t('admin.ban_ask')}</p>
      <Input label={t('admin.reason')} maxLength={500} required value={reason} onChange={(e) => setReason(e.target.value)} />
      <Button type="submit" look="danger" busy={ban.isPending}>{t('admin.ban')}</Button>
    </form>
  )
}
