// The cart before signing in: products and quantities in this browser. They go into the account's cart at the sign-in.
import { useSyncExternalStore } from 'react'
import { api, body } from '../api/client'
import { isFinal } from './intent'

export type GuestLine = { product_id: string; quantity: number; key: string }

const slot = 'mall.cart'
const max = 999
const listeners = new Set<() => void>()
let cached: { text: string | null; lines: GuestLine[] } = { text: null, lines: [] }

/** The lines, the same array until they change. */
export function guestLines(): GuestLine[] {
  const text = localStorage.getItem(slot)
  if (text !== cached.text) cached = { text, lines: parse(text) }
  return cached.lines
}

export function parse(text: string | null): GuestLine[] {
  try {
    const lines = JSON.parse(text ?? '[]') as GuestLine[]
    return lines.filter((line) => /^\d{1,19}$/.test(line.product_id) && line.quantity >= 1 && line.quantity <= max && line.key)
  } catch {
    return []
  }
}

function save(lines: GuestLine[]) {
  if (lines.length) localStorage.setItem(slot, JSON.stringify(lines))
  else localStorage.removeItem(slot)
  listeners.forEach((listener) => listener())
}

/** Sets the quantity of a product; 0 removes it. A changed line has a new key: it is another thing to be added. */
export function setGuestQuantity(product_id: string, quantity: number) {
  const lines = guestLines().filter((line) => line.product_id !== product_id)
  save(quantity > 0 ? [...lines, { product_id, quantity: Math.min(quantity, max), key: crypto.randomUUID() }] : lines)
}

export function addGuest(product_id: string, quantity: number) {
  const present = guestLines().find((line) => line.product_id === product_id)?.quantity ?? 0
  setGuestQuantity(product_id, present + quantity)
}

function subscribe(listener: () => void) {
  listeners.add(listener)
  window.addEventListener('storage', listener) // of other tabs
  return () => {
    listeners.delete(listener)
    window.removeEventListener('storage', listener)
  }
}

export const useGuestLines = () => useSyncExternalStore(subscribe, guestLines)

/**
 * Moves the guest's lines into the account's cart. Each has its own Idempotency-Key and leaves this browser only when
 * the mall has it: a merge that is interrupted, or done by two tabs, adds nothing twice. Returns how many were refused,
 * because they are not sold any more.
 */
export function mergeGuestCart(): Promise<number> {
  merging ??= merge().finally(() => (merging = undefined))
  return merging
}

let merging: Promise<number> | undefined

async function merge(): Promise<number> {
  let refused = 0
  for (const { product_id, quantity, key } of guestLines()) {
    try {
      const request = { params: { header: { 'Idempotency-Key': key } }, body: { product_id, quantity } }
      await body(api.POST('/v1/cart/items', request))
    } catch (error) {
      if (!isFinal(error)) throw error
      refused++
    }
    save(guestLines().filter((line) => line.key !== key))
  }
  return refused
}
