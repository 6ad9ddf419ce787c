import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useForm } from 'react-hook-form'
import { useTranslation } from 'react-i18next'
import { useNavigate } from 'react-router'
import { api, body } from '../api/client'
import { me, sessions } from '../api/queries'
import { forgetSession } from '../api/session'
import { useFormat } from '../lib/format'
import { Button, LinkButton } from '../ui/button'
import { Dialog } from '../ui/dialog'
import { showFieldErrors } from '../ui/form'
import { ErrorNotice, useErrorText } from '../ui/notice'
import { Card, Page, Placeholder } from '../ui/page'
import { useToast } from '../ui/toast'
import { Password } from './sign-in'

export default function Account() {
  const { t } = useTranslation()
  return (
    <Page title={t('account.title')}>
      <div className="grid items-start gap-6 md:grid-cols-2">
        <Profile />
        <ChangePassword />
        <Sessions />
        <Delete />
      </div>
    </Page>
  )
}

function Profile() {
  const { t } = useTranslation()
  const { date } = useFormat()
  const say = useToast()
  const text = useErrorText()
  const { data, error, refetch } = useQuery(me)
  const verify = useMutation({
    mutationFn: () => body(api.POST('/v1/email-verifications')),
    onSuccess: () => say(t('account.verify_sent')),
    onError: (e) => say(text(e)),
  })
  if (error) return <ErrorNotice error={error} retry={() => void refetch()} />
  if (!data) return <Placeholder />
  return (
    <Card>
      <h2 className="mb-3 text-lg font-semibold">{t('account.profile')}</h2>
      <p className="break-all">{data.email} <span className="text-sm text-slate-700">({data.email_verified ? t('account.verified') : t('account.unverified')})</span></p>
      <p className="mt-1 text-slate-700">{t('account.since', { at: date(data.created_at) })}</p>
      {!data.email_verified && (
        <div className="mt-4 flex flex-wrap items-center gap-4">
          <Button look="plain" busy={verify.isPending} onClick={() => verify.mutate()}>{t('account.verify')}</Button>
          <LinkButton look="link" to="/verify">{t('account.verify_code')}</LinkButton>
        </div>
      )}
    </Card>
  )
}

function ChangePassword() {
  const { t } = useTranslation()
  const say = useToast()
  const [error, setError] = useState<unknown>()
  const { register, handleSubmit, reset, setError: setFieldError, formState } = useForm({ defaultValues: { current_password: '', new_password: '' } })
  const submit = handleSubmit(async (values) => {
    setError(undefined)
    try {
      await body(api.PUT('/v1/me/password', { body: values }))
      reset()
      say(t('account.password_changed'))
    } catch (e) {
      if (!showFieldErrors(e, ['current_password', 'new_password'], setFieldError)) setError(e)
    }
  })
  return (
    <Card>
      <h2 className="mb-3 text-lg font-semibold">{t('account.password')}</h2>
      <form onSubmit={(e) => void submit(e)} noValidate className="space-y-4">
        {error !== undefined && <ErrorNotice error={error} />}
        <Password label={t('account.current_password')} autoComplete="current-password" {...register('current_password', { required: t('address.missing') })} error={formState.errors.current_password?.message} />
        <Password
          label={t('sign.new_password')}
          autoComplete="new-password"
          hint={t('sign.password_hint')}
          {...register('new_password', { required: t('address.missing'), minLength: { value: 10, message: t('sign.password_hint') } })}
          error={formState.errors.new_password?.message}
        />
        <Button type="submit" look="plain" busy={formState.isSubmitting}>{t('account.password')}</Button>
      </form>
    </Card>
  )
}

function Sessions() {
  const { t } = useTranslation()
  const { time } = useFormat()
  const queries = useQueryClient()
  const say = useToast()
  const text = useErrorText()
  const { data, error, refetch } = useQuery(sessions)
  const end = useMutation({
    mutationFn: (id: string) => body(api.DELETE('/v1/sessions/{id}', { params: { path: { id } } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: sessions.queryKey }),
    onError: (e) => say(text(e)),
  })
  if (error) return <ErrorNotice error={error} retry={() => void refetch()} />
  if (!data) return <Placeholder />
  return (
    <Card>
      <h2 className="mb-3 text-lg font-semibold">{t('account.sessions')}</h2>
      <ul className="divide-y divide-slate-200">
        {data.items.map((s) => (
          <li key={s.id} className="flex flex-wrap items-center justify-between gap-3 py-3">
            <span>
              <span className="block font-medium">{s.current ? t('account.session_now') : t('account.session_other')}</span>
              <span className="block text-sm text-slate-700">{t('account.session_used', { at: time(s.last_used_at) })}</span>
            </span>
            {!s.current && <Button look="plain" busy={end.isPending} onClick={() => end.mutate(s.id)}>{t('account.session_end')}</Button>}
          </li>
        ))}
      </ul>
    </Card>
  )
}

function Delete() {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const say = useToast()
  const [open, setOpen] = useState(false)
  const [password, setPassword] = useState('')
  const remove = useMutation({
    mutationFn: () => body(api.DELETE('/v1/me', { body: { password } })),
    onSuccess: () => {
      forgetSession()
      say(t('account.deleted'))
      void navigate('/')
    },
  })
  return (
    <Card>
      <h2 className="mb-3 text-lg font-semibold">{t('account.delete')}</h2>
      <Button look="danger" onClick={() => setOpen(true)}>{t('account.delete')}</Button>
      <Dialog title={t('account.delete')} open={open} onClose={() => setOpen(false)}>
        <form
          className="space-y-4"
          onSubmit={(e) => {
            e.preventDefault()
            remove.mutate()
          }}
        >
          <p>{t('account.delete_ask')}</p>
          {remove.error && <ErrorNotice error={remove.error} />}
          <Password label={t('sign.password')} autoComplete="current-password" value={password} onChange={(e) => setPassword(e.target.value)} />
          <div className="flex justify-end gap-3">
            <Button look="plain" onClick={() => setOpen(false)}>{t('shop.cancel')}</Button>
            <Button type="submit" look="danger" busy={remove.isPending} disabled={!password}>{t('account.delete')}</Button>
          </div>
        </form>
      </Dialog>
    </Card>
  )
}
