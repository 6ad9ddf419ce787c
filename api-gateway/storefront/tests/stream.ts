import type { Page } from '@playwright/test'

/** Records the events that the streams of a page bring, and how many streams it opens. */
export async function recordEvents(page: Page) {
  const received = { streams: 0, statuses: [] as string[] }
  await page.exposeFunction('streamOpened', () => received.streams++)
  await page.exposeFunction('eventReceived', (status: string) => received.statuses.push(status))
  await page.addInitScript(() => {
    const { fetch: send, streamOpened, eventReceived } = window as unknown as Window & { streamOpened: () => void; eventReceived: (status: string) => void }
    const record = async (body: ReadableStream<Uint8Array>) => {
      streamOpened()
      let text = ''
      for await (const part of body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)) {
        const lines = (text + part).split('\n')
        text = lines.pop()!
        for (const line of lines) if (line.startsWith('data:')) eventReceived((JSON.parse(line.slice(5)) as { status: string }).status)
      }
    }
    window.fetch = async (...request) => {
      const response = await send(...request)
      if (!response.body || !response.url.endsWith('/events')) return response
      const [forPage, forTest] = response.body.tee()
      record(forTest).catch(() => undefined) // the gateway was killed
      return new Response(forPage, response)
    }
  })
  return received
}
