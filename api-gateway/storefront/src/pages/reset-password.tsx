import { useState } from 'react'
import { useForm } from 'react-hook-form'
import { useTranslation } from 'react-i18next'
import { useNavigate, useSearchParams } from 'react-router'
import { api, body } from '../api/client'
import { Button } from '../ui/button'
import { Input } from '../ui/field'
import { showFieldErrors } from '../ui/form'
import { ErrorNotice, Notice } from '../ui/notice'
import { Card, Page } from '../ui/page'
import { Password } from './sign-in'

/** Asks for a mail, or, with the token of one in the address, sets the password. */
export default function ResetPassword() {
  const { t } = useTranslation()
  const token = useSearchParams()[0].get('token')
  return (
    <Page title={t('sign.reset')}>
      <Card className="max-w-md">{token ? <SetPassword token={token} /> : <AskMail />}</Card>
    </Page>
  )
}

function AskMail() {
  const { t } = useTranslation()
  const [sent, setSent] = useState('')
  const [error, setError] = useState<unknown>()
  const { register, handleSubmit, setError: setFieldError, formState } = useForm({ defaultValues: { email: '' } })
  const submit = handleSubmit(async ({ email }) => {
    setError(undefined)
    try {
      await body(api.POST('/v1/password-resets', { body: { email: email.trim() } }))
      setSent(email.trim())
    } catch (e) {
      if (!showFieldErrors(e, ['email'], setFieldError)) setError(e)
    }
  })
  if (sent) return <Notice tone="good">{t('sign.reset_sent', { email: sent })}</Notice>
  return (
    <form onSubmit={(e) => void submit(e)} noValidate className="space-y-4">
      <p>{t('sign.reset_lead')}</p>
      {error !== undefined && <ErrorNotice error={error} />}
      <Input label={t('sign.email')} type="email" autoComplete="username" {...register('email', { required: t('address.missing') })} error={formState.errors.email?.message} />
      <Button type="submit" busy={formState.isSubmitting} className="w-full">{t('sign.reset_send')}</Button>
    </form>
  )
}

function SetPassword({ token }: { token: string }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const [error, setError] = useState<unknown>()
  const { register, handleSubmit, setError: setFieldError, formState } = useForm({ defaultValues: { password: '' } })
  const submit = handleSubmit(async ({ password }) => {
    setError(undefined)
    try {
      await body(api.POST('/v1/password-resets/confirm', { body: { token, password } }))
      await navigate('/sign-in', { replace: true, state: { done: t('sign.reset_done') } })
    } catch (e) {
      if (!showFieldErrors(e, ['password'], setFieldError)) setError(e)
    }
  })
  return (
    <form onSubmit={(e) => void submit(e)} noValidate className="space-y-4">
      {error !== undefined && <ErrorNotice error={error} />}
      <Password
        label={t('sign.new_password')}
        autoComplete="new-password"
        hint={t('sign.password_hint')}
        {...register('password', { required: t('address.missing'), minLength: { value: 10, message: t('sign.password_hint') } })}
        error={formState.errors.password?.message}
      />
      <Button type="submit" busy={formState.isSubmitting} className="w-full">{t('sign.reset')}</Button>
    </form>
  )
}
