import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { useSearchParams } from 'react-router'
import { api, body } from '../api/client'
import { me } from '../api/queries'
import { Button, LinkButton } from '../ui/button'
import { ErrorNotice, Notice } from '../ui/notice'
import { Card, Page } from '../ui/page'

/** Confirms by a click, because programs that look at mails open links by themselves. */
export default function VerifyEmail() {
  const { t } = useTranslation()
  const token = useSearchParams()[0].get('token') ?? ''
  const queries = useQueryClient()
  const verify = useMutation({
    mutationFn: () => body(api.POST('/v1/email-verifications/confirm', { body: { token } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: me.queryKey }),
  })
  return (
    <Page title={t('sign.verify')}>
      <Card className="max-w-md space-y-4">
        {verify.isError && <ErrorNotice error={verify.error} />}
        {verify.isSuccess
          ? <><Notice tone="good">{t('sign.verified')}</Notice><LinkButton to="/">{t('errors.home')}</LinkButton></>
          : <Button busy={verify.isPending} onClick={() => verify.mutate()} className="w-full">{t('sign.verify')}</Button>}
      </Card>
    </Page>
  )
}
