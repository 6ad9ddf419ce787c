import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useLocation } from 'react-router'
import { api, body } from '../api/client'
import { me } from '../api/queries'
import { Button, LinkButton } from '../ui/button'
import { ErrorNotice, Notice } from '../ui/notice'
import { Card, Page } from '../ui/page'
import { Code } from './reset'

/** Confirms by a click, because programs that look at mails open links by themselves. */
export default function VerifyEmail() {
  const { t } = useTranslation()
  const code = useLocation().hash.slice(1) // no server sees it
  const [token, setToken] = useState(code)
  const queries = useQueryClient()
  const verify = useMutation({
    mutationFn: () => body(api.POST('/v1/email-verifications/confirm', { body: { token: token.trim() } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: me.queryKey }),
  })
  return (
    <Page title={t('sign.verify')}>
      <Card className="max-w-md space-y-4">
        {verify.isError && <ErrorNotice error={verify.error} />}
        {verify.isSuccess
          ? <><Notice tone="good">{t('sign.verified')}</Notice><LinkButton to="/">{t('errors.home')}</LinkButton></>
          : (
            <form
              className="space-y-4"
              onSubmit={(e) => {
                e.preventDefault()
                if (token.trim()) verify.mutate()
              }}
            >
              {!code && <Code value={token} onChange={(e) => setToken(e.target.value)} required />}
              <Button type="submit" busy={verify.isPending} className="w-full">{t('sign.verify')}</Button>
            </form>
          )}
      </Card>
    </Page>
  )
}
