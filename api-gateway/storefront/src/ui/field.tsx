import { useId, type InputHTMLAttributes, type ReactNode, type SelectHTMLAttributes, type TextareaHTMLAttributes } from 'react'

const control =
  'block min-h-11 w-full rounded-lg border bg-white px-3 py-2 text-slate-900 placeholder:text-slate-500 aria-invalid:border-red-600 border-slate-400'

type Around = { label: string; hint?: ReactNode; error?: string | undefined; hideLabel?: boolean }

function Around({ id, label, hint, error, hideLabel, children }: Around & { id: string; children: ReactNode }) {
  return (
    <div>
      <label htmlFor={id} className={hideLabel ? 'sr-only' : 'mb-1 block text-sm font-medium'}>
        {label}
      </label>
      {children}
      {hint && !error && <p id={`${id}-hint`} className="mt-1 text-sm text-slate-600">{hint}</p>}
      {error && <p id={`${id}-error`} className="mt-1 text-sm text-red-800">{error}</p>}
    </div>
  )
}

const described = (id: string, hint: ReactNode, error?: string) => ({
  'aria-invalid': error ? true : undefined,
  'aria-describedby': error ? `${id}-error` : hint ? `${id}-hint` : undefined,
})

export function Input({ label, hint, error, hideLabel, className = '', ...rest }: Around & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId()
  return (
    <Around {...{ id, label, hint, error, ...(hideLabel && { hideLabel }) }}>
      <input id={id} {...rest} {...described(id, hint, error)} className={`${control} ${className}`} />
    </Around>
  )
}

export function Textarea({ label, hint, error, hideLabel, ...rest }: Around & TextareaHTMLAttributes<HTMLTextAreaElement>) {
  const id = useId()
  return (
    <Around {...{ id, label, hint, error, ...(hideLabel && { hideLabel }) }}>
      <textarea id={id} rows={5} {...rest} {...described(id, hint, error)} className={control} />
    </Around>
  )
}

export function Select({ label, hint, error, hideLabel, ...rest }: Around & SelectHTMLAttributes<HTMLSelectElement>) {
  const id = useId()
  return (
    <Around {...{ id, label, hint, error, ...(hideLabel && { hideLabel }) }}>
      <select id={id} {...rest} {...described(id, hint, error)} className={control} />
    </Around>
  )
}
