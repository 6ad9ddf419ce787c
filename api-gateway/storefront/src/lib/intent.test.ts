import { expect, test } from 'vitest'
import { ApiError } from '../api/problem'
import { once } from './intent'

function memory(): Storage {
  const all = new Map<string, string>()
  return {
    getItem: (k: string) => all.get(k) ?? null,
    setItem: (k: string, v: string) => void all.set(k, v),
    removeItem: (k: string) => void all.delete(k),
    clear: () => all.clear(),
    key: () => null,
    get length() {
      return all.size
    },
  }
}

const problem = (status: number, code: string) =>
  new ApiError(status, { type: 'about:blank', title: 't', status, detail: 'd', code, trace_id: '0'.repeat(32) })

/** Asks again and again, and returns the key of each try. */
async function keysOf(outcomes: (unknown | 'done')[], what: unknown[] = []): Promise<string[]> {
  const store = memory()
  const keys: string[] = []
  for (const [i, outcome] of outcomes.entries()) {
    await once('checkout', what[i] ?? 'same', async (key) => {
      keys.push(key)
      if (outcome !== 'done') throw outcome
    }, store).catch(() => undefined)
  }
  return keys
}

test.each([
  ['a lost answer', new ApiError(0, undefined)],
  ['a mall that is away', problem(503, 'unavailable')],
  ['a time-out', problem(504, 'timeout')],
  ['too many requests', problem(429, 'too_many_requests')],
  ['a sign-in that ended', problem(401, 'unauthenticated')],
  ['a first request that is still running', problem(409, 'request_in_progress')],
])('after %s the same key is sent', async (_, error) => {
  const [first, second] = await keysOf([error, 'done'])
  expect(second).toBe(first)
})

test.each([
  ['success', 'done'],
  ['a refusal', problem(409, 'sold_out')],
  ['a declined card', problem(402, 'card_declined')],
])('after %s another key is sent', async (_, outcome) => {
  const [first, second] = await keysOf([outcome, 'done'])
  expect(second).not.toBe(first)
})

test('another request has another key, whatever the order of its fields', async () => {
  const away = problem(503, 'unavailable')
  const [a, b, c] = await keysOf([away, away, away], [{ x: 1, y: 2 }, { y: 2, x: 1 }, { x: 1, y: 3 }])
  expect(b).toBe(a)
  expect(c).not.toBe(a)
})

test('a second click joins the first request', async () => {
  const store = memory()
  let sent = 0
  const request = async () => {
    sent++
    await new Promise((resolve) => setTimeout(resolve, 5))
    return sent
  }
  const [a, b] = await Promise.all([once('pay', 1, request, store), once('pay', 1, request, store)])
  expect([a, b, sent]).toEqual([1, 1, 1])
})
