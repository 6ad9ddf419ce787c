// What every page must be, in each language: accessible, as far as axe can tell, and no wider than the window.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type AxeCore from 'axe-core'
import { expect, type Page } from '@playwright/test'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const languages = { en: /^en/, zh: /^zh/ }

/** Loads a page in the language that was chosen last, and checks it in that one, then in the other. */
export async function accessible(page: Page, path: string) {
  await page.goto(path)
  await expect(page.locator('h1').first()).toBeVisible()
  await inEachLanguage(page, () => check(page, path))
}

/** Does the work in the language of the page, then in the other one. */
export async function inEachLanguage(page: Page, work: (language: string) => Promise<void>) {
  const present = (await page.locator('html').getAttribute('lang'))!.startsWith('zh') ? 'zh' : 'en'
  for (const language of present === 'en' ? (['en', 'zh'] as const) : (['zh', 'en'] as const)) {
    if (language !== present) await page.getByRole('contentinfo').getByRole('combobox').selectOption(language)
    await expect(page.locator('html')).toHaveAttribute('lang', languages[language])
    await work(language)
  }
}

export async function check(page: Page, where: string) {
  await expect(page.locator('[aria-busy=true], [role=status]')).toHaveCount(0) // nothing is still loading
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe)
  // Without frames in the page this is all that @axe-core/playwright would do, in a fifth of the time.
  const violations = await page.evaluate(async () => {
    const { axe } = window as unknown as { axe: typeof AxeCore }
    const found = await axe.run(document, { resultTypes: ['violations'] })
    return found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' ')}`)
  })
  const lang = await page.locator('html').getAttribute('lang')
  expect(violations, `${where} in ${lang}`).toEqual([])
  const [is, may] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth])
  expect(is, `the width of ${where} in ${lang}`).toBeLessThanOrEqual(may!)
}
