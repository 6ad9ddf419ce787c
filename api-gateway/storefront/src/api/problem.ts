import type { components } from './schema'

export type Problem = components['schemas']['Problem']

/** An answer with a status of 400 or above, or no answer at all (status 0). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly problem: Problem | undefined,
    /** Seconds after which a repeat makes sense, if the mall said so. */
    readonly retryAfter?: number,
  ) {
    super(problem?.detail ?? `status ${status}`)
    this.name = 'ApiError'
  }

  get code(): string {
    return this.problem?.code ?? (this.status === 0 ? 'offline' : 'internal')
  }

  /** Whether the mall may or may not have done what was asked: only a repeat with the same key finds out. */
  get outcomeUnknown(): boolean {
    return this.status === 0 || this.status >= 500
  }
}

export const isCode = (error: unknown, ...codes: string[]): error is ApiError =>
  error instanceof ApiError && codes.includes(error.code)

/** Makes an ApiError of an answer that is not a success. */
export async function toApiError(response: Response): Promise<ApiError> {
  const seconds = Number(response.headers.get('Retry-After'))
  let problem: Problem | undefined
  try {
    problem = (await response.json()) as Problem
  } catch {
    // a proxy in front of the mall answered
  }
  return new ApiError(response.status, problem, seconds > 0 ? seconds : undefined)
}
