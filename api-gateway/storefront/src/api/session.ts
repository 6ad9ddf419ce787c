// The session of this browser. The access token is only in memory; the refresh token is in a cookie that scripts cannot
// read. Tabs tell each other when somebody signs in or out.
import { config } from './config'
import { toApiError } from './problem'

export type User = { id: string; roles: string[] }

type State = { status: 'unknown' | 'signed-out' } | { status: 'signed-in'; user: User }

/** Only says that a refresh is worth trying: it is no secret. */
const hint = 'mall.signed-in'
/** Makes the gateway put the refresh token into a cookie; other sites cannot send it, so it also prevents CSRF. */
export const cookieMode = { 'X-Mall-Session': 'cookie' }

let state: State = { status: 'unknown' }
let token: { value: string; freshUntil: number } | undefined
let refreshing: Promise<string | undefined> | undefined
const listeners = new Set<() => void>()
const tabs = new BroadcastChannel('mall.session')

tabs.onmessage = ({ data }: MessageEvent<'in' | 'out'>) => {
  token = undefined
  if (data === 'out') return set({ status: 'signed-out' })
  localStorage.setItem(hint, '1') // the other tab has set it, but it may not have arrived here
  accessToken().catch(() => undefined)
}

export const session = {
  subscribe: (listener: () => void) => {
    listeners.add(listener)
    return () => listeners.delete(listener)
  },
  get: () => state,
}

function set(next: State) {
  if (next.status === state.status && (next.status !== 'signed-in' || state.status !== 'signed-in' || next.user.id === state.user.id)) {
    if (next.status !== 'signed-in') return
  }
  state = next
  listeners.forEach((listener) => listener())
}

type Tokens = { access_token: string; expires_in: number }

function keep(tokens: Tokens): string {
  token = { value: tokens.access_token, freshUntil: Date.now() + (tokens.expires_in - 30) * 1000 }
  localStorage.setItem(hint, '1')
  set({ status: 'signed-in', user: claims(tokens.access_token) })
  return token.value
}

/** Reads who a token is for. The services verify it; here it only decides what is shown. */
export function claims(accessToken: string): User {
  const part = accessToken.split('.')[1] ?? ''
  const payload = JSON.parse(atob(part.replaceAll('-', '+').replaceAll('_', '/'))) as { sub: string; roles?: string[] }
  return { id: payload.sub, roles: payload.roles ?? [] }
}

function drop() {
  token = undefined
  localStorage.removeItem(hint)
  set({ status: 'signed-out' })
}

async function post(path: string, body: unknown): Promise<Response> {
  return fetch(config.api + path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...cookieMode },
    credentials: 'include',
    body: JSON.stringify(body),
  })
}

/** Returns a valid access token, refreshed if need be; undefined if nobody is signed in. */
export function accessToken(): Promise<string | undefined> {
  if (token && token.freshUntil > Date.now()) return Promise.resolve(token.value)
  if (localStorage.getItem(hint) === null) {
    set({ status: 'signed-out' })
    return Promise.resolve(undefined)
  }
  // One tab at a time: each gets the newest cookie.
  refreshing ??= oneTab().finally(() => (refreshing = undefined))
  return refreshing
}

async function oneTab(): Promise<string | undefined> {
  return await navigator.locks.request('mall.refresh', refresh)
}

async function refresh(): Promise<string | undefined> {
  const response = await post('/v1/sessions/refresh', {})
  if (response.ok) return keep((await response.json()) as Tokens)
  if (response.status === 401 || response.status === 403) {
    drop()
    return undefined
  }
  throw await toApiError(response) // the mall is away: whoever is signed in stays so
}

/** Forgets an access token that the mall refused, unless a newer one has come meanwhile. */
export function refused(used: string) {
  if (token?.value === used) token = undefined
}

export async function signIn(email: string, password: string): Promise<void> {
  const response = await post('/v1/sessions', { email, password })
  if (!response.ok) throw await toApiError(response)
  keep((await response.json()) as Tokens)
  tabs.postMessage('in')
}

/** Ends the session here and in the other tabs, after the mall has ended it. */
export function forgetSession() {
  drop()
  tabs.postMessage('out')
}

export async function signOut(): Promise<void> {
  const current = token?.value
  if (current) {
    const response = await fetch(config.api + '/v1/sessions/current', {
      method: 'DELETE',
      headers: { Authorization: `Bearer ${current}`, ...cookieMode },
      credentials: 'include',
    })
    if (!response.ok && response.status !== 401) throw await toApiError(response)
  }
  forgetSession()
}
