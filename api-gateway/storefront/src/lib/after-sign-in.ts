import { useQueryClient } from '@tanstack/react-query'
import { useEffect } from 'react'
import { useTranslation } from 'react-i18next'
import { useLocation, useNavigate } from 'react-router'
import { cart, quote, useUser } from '../api/queries'
import { useToast } from '../ui/toast'
import { guestLines, mergeGuestCart } from './cart'

/** Moves the guest's cart into the account's, and says so if something is not sold any more. */
function useMerge() {
  const queries = useQueryClient()
  const say = useToast()
  const { t } = useTranslation()
  return async () => {
    if (guestLines().length === 0) return
    try {
      if ((await mergeGuestCart()) > 0) say(t('cart.problems'))
    } catch {
      // what could not be merged stays in this browser, and is merged when the shop is opened again
    }
    for (const { queryKey } of [cart, quote]) void queries.invalidateQueries({ queryKey }) // maybe read before the merge
  }
}

/** Ends a merge that a reload has interrupted. */
export function useInterruptedMerge() {
  const user = useUser()
  const merge = useMerge()
  useEffect(() => {
    if (user) void merge()
  }, [user?.id]) // eslint-disable-line react-hooks/exhaustive-deps -- once for each who signs in
}

/** What follows a sign-in: the guest's cart moves into the account, and the shopper goes on where they were. */
export function useAfterSignIn() {
  const navigate = useNavigate()
  const merge = useMerge()
  const { state } = useLocation() as { state: { to?: string } | null }
  return async () => {
    await merge()
    await navigate(state?.to ?? '/', { replace: true })
  }
}
