import { useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { useLocation, useNavigate } from 'react-router'
import { useToast } from '../ui/toast'
import { mergeGuestCart } from './cart'

/** What follows a sign-in: the guest's cart moves into the account, and the shopper goes on where they were. */
export function useAfterSignIn() {
  const queries = useQueryClient()
  const navigate = useNavigate()
  const { state } = useLocation() as { state: { to?: string } | null }
  const say = useToast()
  const { t } = useTranslation()
  return async () => {
    queries.removeQueries({ queryKey: ['mine'] })
    try {
      if ((await mergeGuestCart()) > 0) say(t('cart.problems'))
    } catch {
      // what could not be merged stays in this browser, and is merged at the next sign-in
    }
    await navigate(state?.to ?? '/', { replace: true })
  }
}
