import { useTranslation } from 'react-i18next'
import { formatMoney } from './money'

/** Formats amounts and times in the language of the page. */
export function useFormat() {
  const { i18n } = useTranslation()
  const language = i18n.language
  return {
    money: (amount: number, currency: string) => formatMoney(amount, currency, language),
    time: (at: string) => new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(at)),
    date: (at: string) => new Intl.DateTimeFormat(language, { dateStyle: 'long' }).format(new Date(at)),
    list: (items: string[]) => new Intl.ListFormat(language, { type: 'conjunction', style: 'narrow' }).format(items),
    country: (code: string) => new Intl.DisplayNames([language], { type: 'region' }).of(code) ?? code,
  }
}
