import createClient from 'openapi-fetch'
import { learnTime } from '../lib/clock'
import { config } from './config'
import { ApiError, toApiError } from './problem'
import type { components, paths } from './schema'
import { accessToken, refused } from './session'

export type Schemas = components['schemas']
export type Product = Schemas['Product']
export type Cart = Schemas['Cart']
export type CartLine = Schemas['CartLine']
export type Order = Schemas['Order']
export type Payment = Schemas['Payment']
export type Address = Schemas['Address']
export type AddressRequest = Schemas['AddressRequest']
export type Quote = Schemas['Quote']

/** Sends a request with the access token of whoever is signed in. A token that has just ended is renewed once. */
async function send(request: Request): Promise<Response> {
  const again = request.clone()
  const token = await accessToken()
  if (token) request.headers.set('Authorization', `Bearer ${token}`)
  const response = await connect(request)
  if (response.status !== 401 || !token) return response
  refused(token)
  const next = await accessToken()
  if (!next) return response
  again.headers.set('Authorization', `Bearer ${next}`)
  return connect(again)
}

async function connect(request: Request): Promise<Response> {
  try {
    const response = await fetch(request)
    learnTime(response.headers.get('Date'))
    return response
  } catch (error) {
    if (request.signal.aborted) throw error
    throw new ApiError(0, undefined)
  }
}

/** Sends a request that the generated client does not know how to read, such as an event stream. */
export const raw = async (path: string, init: RequestInit): Promise<Response> => {
  const response = await send(new Request(new URL(config.api + path, location.href), init))
  if (!response.ok) throw await toApiError(response)
  return response
}

const client = createClient<paths>({ baseUrl: '', fetch: async (request) => send(await rebase(request)) })

/** The API may be on another host, which is known only after /config.json was read. */
async function rebase(request: Request): Promise<Request> {
  if (!config.api) return request
  const { method, headers, signal } = request
  // As a whole: a body that is a stream needs HTTP/2.
  const body = method === 'GET' || method === 'HEAD' ? null : await request.blob()
  return new Request(request.url.replace(location.origin, config.api), { method, headers, signal, body })
}

type Answer<T> = Promise<{ data?: T; error?: unknown; response: Response }>

/** Waits for an answer and returns its body, or throws an ApiError. */
export async function body<T>(answer: Answer<T>): Promise<NonNullable<T>> {
  const { data, error, response } = await answer
  if (!response.ok) {
    const seconds = Number(response.headers.get('Retry-After'))
    const problem = error as ApiError['problem']
    throw new ApiError(response.status, problem?.code ? problem : undefined, seconds > 0 ? seconds : undefined)
  }
  return data as NonNullable<T>
}

export { client as api }
