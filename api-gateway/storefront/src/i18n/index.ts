import i18next from 'i18next'
import { initReactI18next } from 'react-i18next'
import { en, type Messages } from './en'
import type { OfficeTexts } from './office'
import { zh } from './zh'

export const languages = { en: 'English', zh: '中文' } as const
export type Language = keyof typeof languages

const remembered = 'mall.language'

/** The language that was chosen here before, or the first of the browser's that the shop has. */
export function preferred(): Language {
  const wanted = [localStorage.getItem(remembered) ?? '', ...navigator.languages]
  for (const tag of wanted) {
    const language = tag.split('-')[0]?.toLowerCase()
    if (language && language in languages) return language as Language
  }
  return 'en'
}

export async function startI18n(): Promise<void> {
  i18next.on('languageChanged', (language) => (document.documentElement.lang = language))
  await i18next.use(initReactI18next).init({
    lng: preferred(),
    fallbackLng: 'en',
    resources: { en: { translation: en }, zh: { translation: zh } },
    interpolation: { escapeValue: false }, // React escapes
  })
}

export function choose(language: Language) {
  localStorage.setItem(remembered, language)
  void i18next.changeLanguage(language)
}

declare module 'i18next' {
  interface CustomTypeOptions {
    resources: { translation: Messages; office: OfficeTexts }
  }
}
