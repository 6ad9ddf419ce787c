import type { FieldErrors, FieldPath, FieldValues, UseFormSetError } from 'react-hook-form'
import { ApiError } from '../api/problem'

/** Shows what the mall found wrong with fields at these fields. Returns whether it named one of them. */
export function showFieldErrors<T extends FieldValues>(error: unknown, fields: readonly FieldPath<T>[], setError: UseFormSetError<T>): boolean {
  if (!(error instanceof ApiError) || !error.problem?.errors) return false
  let named = false
  for (const { field, message } of error.problem.errors) {
    const path = fields.find((f) => f === field || f.endsWith(`.${field}`))
    if (!path) continue
    setError(path, { message }, { shouldFocus: !named })
    named = true
  }
  return named
}

export const messageOf = <T extends FieldValues>(errors: FieldErrors<T>, field: FieldPath<T>): string | undefined =>
  errors[field]?.message as string | undefined
