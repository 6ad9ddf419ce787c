/** What the server of these files says: where the API is. "" is the same host. */
export type Config = { api: string }

export const config: Config = { api: '' }

/** Reads /config.json, once, before the first request. */
export async function loadConfig(): Promise<void> {
  const response = await fetch('/config.json')
  if (response.ok) Object.assign(config, await response.json())
}
