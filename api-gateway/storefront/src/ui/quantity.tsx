import { useEffect, useState } from 'react'

type Props = { value: number; max?: number; label: string; less: string; more: string; onChange: (value: number) => void }

const button = 'size-11 text-lg font-medium enabled:hover:bg-slate-100 disabled:text-slate-400'

/** A number of units from 1, by buttons or typing; what is typed counts when the field is left. */
export function Quantity({ value, max = 999, label, less, more, onChange }: Props) {
  const [text, setText] = useState(String(value))
  useEffect(() => setText(String(value)), [value])
  const set = (wanted: number) => {
    const next = Math.min(Math.max(Math.trunc(wanted) || value, 1), Math.max(max, 1))
    setText(String(next))
    if (next !== value) onChange(next)
  }
  return (
    <div className="inline-flex overflow-hidden rounded-lg border border-slate-400 bg-white">
      <button type="button" aria-label={less} className={button} disabled={value <= 1} onClick={() => set(value - 1)}>−</button>
      <input
        aria-label={label}
        inputMode="numeric"
        value={text}
        onChange={(e) => setText(e.target.value)}
        onBlur={() => set(Number(text))}
        onKeyDown={(e) => e.key === 'Enter' && set(Number(text))}
        className="w-12 text-center"
      />
      <button type="button" aria-label={more} className={button} disabled={value >= max} onClick={() => set(value + 1)}>+</button>
    </div>
  )
}
