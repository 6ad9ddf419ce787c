import * as Radix from '@radix-ui/react-toast'
import { createContext, use, useCallback, useMemo, useState, type ReactNode } from 'react'
import { useTranslation } from 'react-i18next'

type Toast = { id: number; text: string; action?: ReactNode }
const Say = createContext<(text: string, action?: ReactNode) => void>(() => undefined)

/** Tells the shopper in passing what has happened; screen readers read it. */
export const useToast = () => use(Say)

export function Toasts({ children }: { children: ReactNode }) {
  const { t } = useTranslation()
  const [toasts, setToasts] = useState<Toast[]>([])
  const say = useCallback((text: string, action?: ReactNode) => setToasts((all) => [...all.slice(-2), { id: Date.now(), text, action }]), [])
  const close = useCallback((id: number) => setToasts((all) => all.filter((toast) => toast.id !== id)), [])
  return (
    <Radix.Provider duration={5000} label={t('shop.name')}>
      <Say value={useMemo(() => say, [say])}>{children}</Say>
      {toasts.map(({ id, text, action }) => (
        <Radix.Root
          key={id}
          onOpenChange={(open) => !open && close(id)}
          className="flex items-center gap-4 rounded-lg bg-slate-900 px-4 py-3 text-white shadow-lg"
        >
          <Radix.Title className="grow">{text}</Radix.Title>
          {action}
          <Radix.Close aria-label={t('shop.close')} className="text-xl leading-none">×</Radix.Close>
        </Radix.Root>
      ))}
      <Radix.Viewport className="fixed inset-x-4 bottom-4 z-50 flex flex-col gap-2 sm:left-auto sm:w-96" />
    </Radix.Provider>
  )
}
