import { queryOptions, useQuery } from '@tanstack/react-query'
import { useSyncExternalStore } from 'react'
import { api, body } from './client'
import { ApiError } from './problem'
import { accessToken, session } from './session'

/** Who is signed in, as far as this browser knows. */
export function useSession() {
  return useSyncExternalStore(session.subscribe, session.get)
}

export function useUser() {
  const state = useSession()
  return state.status === 'signed-in' ? state.user : undefined
}

export type Filter = {
  q?: string | undefined
  category?: string | undefined
  min_price?: string | undefined
  max_price?: string | undefined
  sort?: 'relevance' | 'price' | '-price' | 'newest' | undefined
  page_size?: number
}

/** Leaves out what is empty: the mall refuses parameters without a value. */
const present = <T extends object>(query: T) =>
  Object.fromEntries(Object.entries(query).filter(([, v]) => v !== undefined && v !== '')) as { [K in keyof T]: NonNullable<T[K]> }

export const products = (filter: Filter, page_token?: string) =>
  queryOptions({
    queryKey: ['products', filter, page_token ?? ''],
    queryFn: ({ signal }) => body(api.GET('/v1/products', { params: { query: present({ ...filter, page_token }) }, signal })),
    staleTime: 10_000,
  })

export const product = (id: string) =>
  queryOptions({
    queryKey: ['product', id],
    queryFn: ({ signal }) => body(api.GET('/v1/products/{id}', { params: { path: { id } }, signal })),
    staleTime: 5_000,
  })

export const categories = queryOptions({
  queryKey: ['categories'],
  queryFn: ({ signal }) => body(api.GET('/v1/categories', { params: { query: { page_size: 100 } }, signal })),
  staleTime: 60_000,
})

export const currency = queryOptions({
  queryKey: ['currency'],
  queryFn: ({ signal }) => body(api.GET('/v1/currency', { signal })),
  staleTime: Infinity,
})

/** Products and orders of sellers and admins; forgotten with the person. */
export const officeKey = (...rest: string[]) => ['mine', 'office', ...rest]

export const cart = queryOptions({
  queryKey: ['mine', 'cart'],
  queryFn: ({ signal }) => body(api.GET('/v1/cart', { signal })),
})

/** What the cart costs now. */
export const quote = queryOptions({
  queryKey: ['mine', 'quote'],
  queryFn: () => body(api.POST('/v1/checkout/quote', { body: {} })),
  gcTime: 0,
})

export const addresses = queryOptions({
  queryKey: ['mine', 'addresses'],
  queryFn: ({ signal }) => body(api.GET('/v1/addresses', { params: { query: { page_size: 100 } }, signal })),
})

export const country = (code: string) =>
  queryOptions({
    queryKey: ['country', code],
    queryFn: ({ signal }) => body(api.GET('/v1/countries/{code}', { params: { path: { code } }, signal })),
    staleTime: Infinity,
  })

export const me = queryOptions({
  queryKey: ['mine', 'profile'],
  queryFn: ({ signal }) => body(api.GET('/v1/me', { signal })),
})

export const order = (id: string) =>
  queryOptions({
    queryKey: ['mine', 'order', id],
    queryFn: ({ signal }) => body(api.GET('/v1/orders/{id}', { params: { path: { id } }, signal })),
  })

/** The payments of an order, the newest first. */
export const payments = (orderId: string) =>
  queryOptions({
    queryKey: ['mine', 'payments', orderId],
    queryFn: ({ signal }) => body(api.GET('/v1/orders/{id}/payments', { params: { path: { id: orderId } }, signal })),
  })

export const sessions = queryOptions({
  queryKey: ['mine', 'sessions'],
  queryFn: ({ signal }) => body(api.GET('/v1/sessions', { params: { query: { page_size: 100 } }, signal })),
})

/** Asks who is signed in before the first page needs to know. */
export const startSession = () => accessToken().catch(() => undefined)

/** Whether a read is worth repeating: the mall, or the way to it, is away for a moment. */
export function worthRetry(failures: number, error: unknown): boolean {
  return failures < 3 && error instanceof ApiError && (error.outcomeUnknown || error.status === 429)
}

export const retryDelay = (failures: number, error: unknown) =>
  error instanceof ApiError && error.retryAfter ? error.retryAfter * 1000 : Math.min(250 * 2 ** failures, 4000)

/** The cart of the account; not asked for while nobody is signed in. */
export function useCart() {
  const user = useUser()
  return useQuery({ ...cart, enabled: user !== undefined })
}
