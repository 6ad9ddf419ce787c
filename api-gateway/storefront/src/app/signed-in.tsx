import { Navigate, Outlet, useLocation } from 'react-router'
import { useSession } from '../api/queries'
import { Placeholder } from '../ui/page'

/** Shows pages to those who are signed in; others sign in first and come back. */
export function SignedIn() {
  const state = useSession()
  const { pathname, search } = useLocation()
  if (state.status === 'unknown') return <Placeholder />
  if (state.status === 'signed-out') return <Navigate to="/sign-in" replace state={{ to: pathname + search }} />
  return <Outlet />
}
