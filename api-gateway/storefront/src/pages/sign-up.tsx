import { useState } from 'react'
import { useForm } from 'react-hook-form'
import { useTranslation } from 'react-i18next'
import { Link, useLocation } from 'react-router'
import { api, body } from '../api/client'
import { isCode } from '../api/problem'
import { signIn } from '../api/session'
import { useAfterSignIn } from '../lib/after-sign-in'
import { Button } from '../ui/button'
import { Input } from '../ui/field'
import { showFieldErrors } from '../ui/form'
import { ErrorNotice } from '../ui/notice'
import { Card, Page } from '../ui/page'
import { useToast } from '../ui/toast'
import { Password } from './sign-in'

type Fields = { email: string; password: string }

export default function SignUp() {
  const { t } = useTranslation()
  const { state } = useLocation()
  const after = useAfterSignIn()
  const say = useToast()
  const [error, setError] = useState<unknown>()
  const { register, handleSubmit, setError: setFieldError, formState } = useForm<Fields>({ defaultValues: { email: '', password: '' } })
  const submit = handleSubmit(async ({ email, password }) => {
    setError(undefined)
    try {
      await body(api.POST('/v1/users', { body: { email: email.trim(), password } }))
    } catch (e) {
      // The first answer may have been lost: then the account exists, and its password is this one.
      if (!isCode(e, 'email_taken')) {
        if (!showFieldErrors(e, ['email', 'password'], setFieldError)) setError(e)
        return
      }
      if (!(await signIn(email.trim(), password).then(() => true, () => false))) {
        setError(e)
        return
      }
    }
    try {
      await signIn(email.trim(), password)
    } catch (e) {
      setError(e)
      return
    }
    say(t('sign.welcome'))
    await after()
  })
  return (
    <Page title={t('sign.up')}>
      <Card className="max-w-md">
        <form onSubmit={(e) => void submit(e)} noValidate className="space-y-4">
          {error !== undefined && <ErrorNotice error={error} />}
          <Input label={t('sign.email')} type="email" autoComplete="username" {...register('email', { required: t('address.missing') })} error={formState.errors.email?.message} />
          <Password
            label={t('sign.password')}
            autoComplete="new-password"
            hint={t('sign.password_hint')}
            {...register('password', { required: t('address.missing'), minLength: { value: 10, message: t('sign.password_hint') } })}
            error={formState.errors.password?.message}
          />
          <Button type="submit" busy={formState.isSubmitting} className="w-full">{t('sign.up')}</Button>
        </form>
        <p className="mt-5 text-sm">
          {t('sign.have_account')} <Link to="/sign-in" state={state} className="inline-flex min-h-6 items-center font-medium text-brand-700 underline">{t('sign.in')}</Link>
        </p>
      </Card>
    </Page>
  )
}
