import { useEffect, useState } from 'react'

const tolerated = 2000 // ms: a Date header has whole seconds, and the answer was on its way

let ahead = 0

/** Learns what time the mall has from the Date of an answer: the clock of the browser may be wrong. */
export function learnTime(date: string | null, now = Date.now()) {
  if (date === null) return // a server between has removed it
  const difference = Date.parse(date) - now
  if (Math.abs(difference - ahead) > tolerated) ahead = difference
}

/** The time of the mall, in ms. */
export const mallTime = (now = Date.now()) => now + ahead

/** The milliseconds until a time, every second; never negative. */
export function useRemaining(at: string, running: boolean): number {
  const left = () => Math.max(new Date(at).getTime() - mallTime(), 0)
  const [remaining, setRemaining] = useState(left)
  useEffect(() => {
    setRemaining(left())
    if (!running) return
    const timer = setInterval(() => setRemaining(left()), 1000)
    return () => clearInterval(timer)
  }, [at, running]) // eslint-disable-line react-hooks/exhaustive-deps -- left depends on at alone
  return remaining
}

/** Shows 754000 ms as 12:34. */
export function formatRemaining(ms: number): string {
  const seconds = Math.ceil(ms / 1000)
  const two = (n: number) => String(n).padStart(2, '0')
  const hours = Math.floor(seconds / 3600)
  const rest = `${two(Math.floor((seconds % 3600) / 60))}:${two(seconds % 60)}`
  return hours > 0 ? `${hours}:${rest}` : rest
}
