import type { ButtonHTMLAttributes } from 'react'
import { Link, type LinkProps } from 'react-router'

type Look = 'primary' | 'plain' | 'danger' | 'link'

const base = 'inline-flex items-center justify-center gap-2 font-medium transition-colors disabled:cursor-not-allowed disabled:opacity-50'
const box = 'min-h-11 rounded-lg px-4 py-2'
const looks: Record<Look, string> = {
  primary: `${box} bg-brand-700 text-white hover:bg-brand-800`,
  plain: `${box} border border-slate-300 bg-white text-slate-900 hover:bg-slate-100`,
  danger: `${box} border border-red-300 bg-white text-red-800 hover:bg-red-50`,
  link: 'min-h-6 text-brand-700 underline underline-offset-2 hover:text-brand-800',
}

type Props = ButtonHTMLAttributes<HTMLButtonElement> & { look?: Look; busy?: boolean }

/** A button. While busy it says so, stays focusable and does nothing. */
export function Button({ look = 'primary', busy = false, className = '', onClick, type = 'button', ...rest }: Props) {
  return (
    <button
      {...rest}
      type={type}
      aria-busy={busy || undefined}
      aria-disabled={busy || undefined}
      onClick={busy ? (e) => e.preventDefault() : onClick}
      className={`${base} ${looks[look]} ${busy ? 'cursor-progress opacity-70' : ''} ${className}`}
    />
  )
}

export function LinkButton({ look = 'primary', className = '', ...rest }: LinkProps & { look?: Look; className?: string }) {
  return <Link {...rest} className={`${base} ${looks[look]} ${className}`} />
}
