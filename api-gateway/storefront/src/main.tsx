import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { RouterProvider } from 'react-router/dom'
import { loadConfig } from './api/config'
import { retryDelay, startSession, worthRetry } from './api/queries'
import { session } from './api/session'
import { router } from './app/routes'
import './app.css'
import { startI18n } from './i18n'

const queries = new QueryClient({ defaultOptions: { queries: { retry: worthRetry, retryDelay, networkMode: 'always' }, mutations: { networkMode: 'always' } } })

// What belongs to one person is forgotten before the page of anybody else is drawn.
let person: string | undefined
session.subscribe(() => {
  const state = session.get()
  const now = state.status === 'signed-in' ? state.user.id : undefined
  if (now === person) return
  person = now
  queries.removeQueries({ queryKey: ['mine'] })
})

await Promise.all([startI18n(), loadConfig()])
void startSession()

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
)
