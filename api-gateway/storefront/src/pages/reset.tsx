import { useState } from 'react'
import { useForm } from 'react-hook-form'
import { useTranslation } from 'react-i18next'
import { useLocation, useNavigate } from 'react-router'
import { api, body } from '../api/client'
import { Button } from '../ui/button'
import { Input } from '../ui/field'
import { showFieldErrors } from '../ui/form'
import { ErrorNotice, Notice } from '../ui/notice'
import { Card, Page } from '../ui/page'
import { Password } from './sign-in'

/** Asks for a mail, or, with the code of one in the address, sets the password. */
export default function ResetPassword() {
  const { t } = useTranslation()
  const code = useLocation().hash.slice(1) // no server sees it
  return (
    <Page title={t('sign.reset')}>
      <Card className="max-w-md">{code ? <SetPassword code={code} /> : <AskMail />}</Card>
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
  if (sent) {
    return (
      <div className="space-y-4">
        <Notice tone="good">{t('sign.reset_sent', { email: sent })}</Notice>
        <SetPassword />
      </div>
    )
  }
  return (
    <form onSubmit={(e) => void submit(e)} noValidate className="space-y-4">
      <p>{t('sign.reset_lead')}</p>
      {error !== undefined && <ErrorNotice error={error} />}
      <Input label={t('sign.email')} type="email" autoComplete="username" {...register('email', { required: t('address.missing') })} error={formState.errors.email?.message} />
      <Button type="submit" busy={formState.isSubmitting} className="w-full">{t('sign.reset_send')}</Button>
    </form>
  )
}

function SetPassword({ code = '' }: { code?: string }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const [error, setError] = useState<unknown>()
  const { register, handleSubmit, setError: setFieldError, formState } = useForm({ defaultValues: { token: code, password: '' } })
  const submit = handleSubmit(async ({ token, password }) => {
    setError(undefined)
    try {
      await body(api.POST('/v1/password-resets/confirm', { body: { token: token.trim(), password } }))
      await navigate('/sign-in', { replace: true, state: { done: t('sign.reset_done') } })
    } catch (e) {
      if (!showFieldErrors(e, ['token', 'password'], setFieldError)) setError(e)
    }
  })
  return (
    <form onSubmit={(e) => void submit(e)} noValidate className="space-y-4">
      {error !== undefined && <ErrorNotice error={error} />}
      {!code && <Code {...register('token', { required: t('address.missing') })} error={formState.errors.token?.message} />}
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

/** The code of a mail, for those whose mail has no link. */
export function Code(props: Omit<React.ComponentProps<typeof Input>, 'label'>) {
  const { t } = useTranslation()
  return <Input label={t('sign.code')} autoComplete="one-time-code" spellCheck={false} {...props} />
}
