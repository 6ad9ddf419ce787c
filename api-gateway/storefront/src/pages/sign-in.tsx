import { useState } from 'react'
import { useForm } from 'react-hook-form'
import { useTranslation } from 'react-i18next'
import { Link, Navigate, useLocation } from 'react-router'
import { useUser } from '../api/queries'
import { signIn } from '../api/session'
import { useAfterSignIn } from '../lib/after-sign-in'
import { Button } from '../ui/button'
import { Input } from '../ui/field'
import { ErrorNotice, Notice } from '../ui/notice'
import { Card, Page } from '../ui/page'

type Fields = { email: string; password: string }

export default function SignIn() {
  const { t } = useTranslation()
  const { state } = useLocation() as { state: { to?: string; done?: string } | null }
  const user = useUser()
  const after = useAfterSignIn()
  const [error, setError] = useState<unknown>()
  const { register, handleSubmit, formState } = useForm<Fields>({ defaultValues: { email: '', password: '' } })
  if (user && !formState.isSubmitting && !formState.isSubmitSuccessful) return <Navigate to={state?.to ?? '/'} replace />
  const submit = handleSubmit(async ({ email, password }) => {
    setError(undefined)
    try {
      await signIn(email.trim(), password)
    } catch (e) {
      setError(e)
      return
    }
    await after()
  })
  const required = { required: t('address.missing') }
  return (
    <Page title={t('sign.in')}>
      <Card className="max-w-md">
        <form onSubmit={(e) => void submit(e)} noValidate className="space-y-4">
          {state?.done && !error ? <Notice tone="good">{state.done}</Notice> : state?.to && !error && <Notice>{t('sign.needed')}</Notice>}
          {error !== undefined && <ErrorNotice error={error} />}
          <Input label={t('sign.email')} type="email" autoComplete="username" {...register('email', required)} error={formState.errors.email?.message} />
          <Password label={t('sign.password')} autoComplete="current-password" {...register('password', required)} error={formState.errors.password?.message} />
          <Button type="submit" busy={formState.isSubmitting} className="w-full">{t('sign.in')}</Button>
        </form>
        <p className="mt-5 text-sm">
          {t('sign.no_account')} <Link to="/sign-up" state={state} className="inline-flex min-h-6 items-center font-medium text-brand-700 underline">{t('sign.up')}</Link>
        </p>
        <p className="mt-2 text-sm">
          <Link to="/reset" className="inline-flex min-h-6 items-center text-brand-700 underline">{t('sign.forgot')}</Link>
        </p>
      </Card>
    </Page>
  )
}

/** A password field whose text can be shown. */
export function Password(props: React.ComponentProps<typeof Input>) {
  const { t } = useTranslation()
  const [shown, setShown] = useState(false)
  return (
    <div className="relative">
      <Input {...props} type={shown ? 'text' : 'password'} className="pr-20" />
      <button type="button" aria-pressed={shown} onClick={() => setShown(!shown)} className="absolute right-1 top-7 min-h-9 rounded-md px-3 text-sm font-medium text-brand-700">
        {shown ? t('sign.hide') : t('sign.show')}
      </button>
    </div>
  )
}
