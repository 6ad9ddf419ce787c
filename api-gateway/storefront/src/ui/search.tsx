import { useQuery } from '@tanstack/react-query'
import { useEffect, useId, useState, type FormEvent, type KeyboardEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { useLocation, useNavigate, useSearchParams } from 'react-router'
import { products } from '../api/queries'
import { useFormat } from '../lib/format'

const shown = 6
const pause = 200 // ms without typing before the shop is asked

/** The search field. While somebody types it suggests products; Enter without one of them searches. */
export function Search() {
  const [params] = useSearchParams()
  const { pathname } = useLocation()
  const present = pathname === '/products' ? (params.get('q') ?? '') : ''
  return <Field key={pathname + present} present={present} />
}

function Field({ present }: { present: string }) {
  const { t } = useTranslation()
  const { money } = useFormat()
  const navigate = useNavigate()
  const list = useId()
  const [text, setText] = useState(present)
  const [open, setOpen] = useState(false)
  const [at, setAt] = useState(-1)
  const found = useSuggestions(open ? text : '')
  const visible = open && found.length > 0
  const chosen = visible ? found[at] : undefined

  const submit = (e: FormEvent) => {
    e.preventDefault()
    setOpen(false)
    const q = text.trim()
    void navigate(chosen ? `/products/${chosen.id}` : q ? `/products?q=${encodeURIComponent(q)}` : '/products')
  }
  const keys = (e: KeyboardEvent) => {
    if (e.key === 'Escape' && visible) {
      e.preventDefault() // the browser would empty the field
      return setOpen(false)
    }
    if (!visible || (e.key !== 'ArrowDown' && e.key !== 'ArrowUp')) return
    e.preventDefault()
    const places = found.length + 1 // the field itself is one
    setAt(((at + 1 + (e.key === 'ArrowDown' ? 1 : -1) + places) % places) - 1)
  }
  return (
    <form role="search" onSubmit={submit} className="relative" onBlur={(e) => !e.currentTarget.contains(e.relatedTarget) && setOpen(false)}>
      <input
        type="search"
        role="combobox"
        aria-label={t('shop.search')}
        aria-autocomplete="list"
        aria-expanded={visible}
        aria-controls={list}
        aria-activedescendant={chosen && `${list}-${at}`}
        autoComplete="off"
        maxLength={200}
        placeholder={t('shop.search')}
        value={text}
        onChange={(e) => {
          setText(e.target.value)
          setOpen(true)
          setAt(-1)
        }}
        onKeyDown={keys}
        className="min-h-11 w-full rounded-full border border-slate-400 bg-slate-50 px-5 placeholder:text-slate-600"
      />
      <ul
        id={list}
        role="listbox"
        aria-label={t('shop.suggestions')}
        hidden={!visible}
        className="absolute inset-x-0 top-full z-40 mt-1 rounded-xl border border-slate-200 bg-white p-1 shadow-lg"
      >
        {found.map((product, i) => (
          <li
            key={product.id}
            id={`${list}-${i}`}
            role="option"
            aria-selected={i === at}
            onMouseDown={(e) => e.preventDefault()} // the field keeps the focus, and the list stays
            onClick={() => {
              setOpen(false)
              void navigate(`/products/${product.id}`)
            }}
            className="flex cursor-pointer justify-between gap-4 rounded-lg px-4 py-2 hover:bg-slate-100 aria-selected:bg-slate-100"
          >
            <span className="truncate">{product.name}</span>
            <span className="whitespace-nowrap text-slate-700">{money(product.price, product.currency)}</span>
          </li>
        ))}
      </ul>
    </form>
  )
}

function useSuggestions(text: string) {
  const [q, setQ] = useState('')
  useEffect(() => {
    const wanted = text.trim()
    const timer = setTimeout(() => setQ(wanted.length > 1 ? wanted : ''), wanted ? pause : 0)
    return () => clearTimeout(timer)
  }, [text])
  const { data } = useQuery({ ...products({ q, page_size: shown }), enabled: q !== '' })
  return q === '' ? [] : (data?.items ?? [])
}
