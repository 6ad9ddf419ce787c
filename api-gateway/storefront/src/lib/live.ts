import { EventSourceParserStream } from 'eventsource-parser/stream'
import { useEffect, useState } from 'react'
import { raw } from '../api/client'
import { ApiError } from '../api/problem'

export type LiveState = 'connecting' | 'live' | 'lost' | 'ended'

/**
 * Follows the events of an order. The browser's own EventSource cannot send the access token. A stream that ends is
 * opened again from its last event, later and later while the mall is away.
 */
export function useLiveOrder(id: string, enabled: boolean, onEvent: () => void): LiveState {
  const [state, setState] = useState<LiveState>('connecting')
  useEffect(() => {
    if (!enabled) return setState('ended')
    const leaving = new AbortController()
    void follow(`/v1/orders/${id}/events`, leaving.signal, onEvent, setState)
    return () => leaving.abort()
  }, [id, enabled]) // eslint-disable-line react-hooks/exhaustive-deps -- onEvent only reads the cache
  return state
}

async function follow(path: string, signal: AbortSignal, onEvent: () => void, setState: (state: LiveState) => void) {
  let last = ''
  let wait = 500
  while (!signal.aborted) {
    try {
      const response = await raw(path, { signal, headers: { Accept: 'text/event-stream', ...(last && { 'Last-Event-ID': last }) } })
      if (response.status === 204) return setState('ended') // the order has its last status
      setState('live')
      const events = response.body!.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream())
      for await (const event of events as unknown as AsyncIterable<{ id?: string }>) {
        wait = 500
        if (event.id) last = event.id
        onEvent()
      }
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof ApiError && [403, 404].includes(error.status)) return setState('ended')
    }
    setState('lost')
    await new Promise((resolve) => setTimeout(resolve, wait * (0.5 + Math.random())))
    wait = Math.min(wait * 2, 15_000)
  }
}
