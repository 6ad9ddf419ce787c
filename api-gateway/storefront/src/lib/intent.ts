// An intent is one thing that a shopper wants done once: this order, this payment. It has an Idempotency-Key that is
// kept until the mall has said how it ended, so that a reload, a second click, a second tab or a lost answer repeats the
// same request instead of making a new one. The keys are no secrets.
import { ApiError } from '../api/problem'

const prefix = 'mall.intent.'

const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, v: unknown) =>
    v && typeof v === 'object' && !Array.isArray(v)
      ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)))
      : v,
  )

async function digest(text: string): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)))
  return Array.from(hash.slice(0, 12), (b) => b.toString(16).padStart(2, '0')).join('')
}

const running = new Map<string, Promise<unknown>>()

/**
 * Does what is wanted with the key of this intent. The same intent that is running already is joined. what must hold
 * everything that makes the request different, and nothing secret: it is hashed and written to this browser.
 */
export async function once<T>(name: string, what: unknown, request: (key: string) => Promise<T>, store: Storage = localStorage): Promise<T> {
  const slot = prefix + name + '.' + (await digest(canonical(what)))
  const present = running.get(slot) as Promise<T> | undefined
  if (present) return present
  const work = perform(slot, request, store).finally(() => running.delete(slot))
  running.set(slot, work)
  return work
}

async function perform<T>(slot: string, request: (key: string) => Promise<T>, store: Storage): Promise<T> {
  let key = store.getItem(slot)
  if (key === null) store.setItem(slot, (key = crypto.randomUUID()))
  try {
    const answer = await request(key)
    store.removeItem(slot)
    return answer
  } catch (error) {
    if (isFinal(error)) store.removeItem(slot)
    throw error
  }
}

/** Whether the mall has decided. Too many requests, a sign-in that ended and no answer decide nothing. */
export function isFinal(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false
  return !error.outcomeUnknown && ![401, 403, 429].includes(error.status) && error.code !== 'request_in_progress'
}
