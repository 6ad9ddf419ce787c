import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { RouterProvider } from 'react-router/dom'
import { loadConfig } from './api/config'
import { retryDelay, startSession, worthRetry } from './api/queries'
import { router } from './app/routes'
import './app.css'
import { startI18n } from './i18n'

const queries = new QueryClient({ defaultOptions: { queries: { retry: worthRetry, retryDelay, networkMode: 'always' }, mutations: { networkMode: 'always' } } })

await Promise.all([startI18n(), loadConfig()])
void startSession()

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
)
