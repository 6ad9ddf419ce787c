import type { Locator, Page } from '@playwright/test'
import { expect, test, unique } from './mall'

test('the keyboard alone goes from the start page to a paid order of a new customer', async ({ page, seller }) => {
  const tea = await seller.product({ name: `Oolong ${unique()}` })
  const keys = page.keyboard
  const main = page.getByRole('main')
  const title = page.getByRole('heading', { level: 1 })

  await page.goto('/')
  await tabTo(page, page.getByRole('link', { name: 'Skip to content' }))
  await keys.press('Enter')
  await expect(main).toBeFocused()
  await tabTo(page, page.getByRole('link', { name: 'Sign in' }), 'Shift+Tab')
  await keys.press('Enter')
  await expect(title).toHaveText('Sign in')
  await tabTo(page, main.getByRole('link', { name: 'Create an account' }))
  await keys.press('Enter')
  await expect(title).toHaveText('Create an account')
  await type(page, main.getByLabel('Email'), `keys-${tea.id}@example.org`)
  await type(page, main.getByLabel('Password', { exact: true }), 'short')
  await keys.press('Enter')
  await expect(main.getByLabel('Password', { exact: true })).toBeFocused() // it is wrong
  await keys.press('ControlOrMeta+a')
  await keys.type('Mall-tests-2026')
  await keys.press('Enter')
  await expect(page.getByRole('button', { name: 'Account' })).toBeVisible()
  await expect(title).toHaveText('Good things, honestly sold')

  await type(page, page.getByRole('combobox', { name: 'Search products' }), tea.name)
  const suggestion = page.getByRole('option', { name: tea.name })
  await expect(suggestion).toBeVisible()
  await keys.press('ArrowDown')
  await expect(suggestion).toHaveAttribute('aria-selected', 'true')
  await keys.press('Enter')
  await expect(title).toHaveText(tea.name)
  await tabTo(page, page.getByRole('button', { name: 'Add to cart' }))
  await keys.press('Enter')
  await tabTo(page, page.getByRole('link', { name: 'Cart, 1 item' }))
  await keys.press('Enter')
  await tabTo(page, page.getByRole('link', { name: 'Check out' }))
  await keys.press('Enter')

  await tabTo(page, page.getByLabel('Country'))
  await keys.type('China') // as in any list of a browser
  await expect(page.getByLabel('Country')).toHaveValue('CN')
  await expect(page.getByLabel('Province')).toBeVisible()
  for (const [label, text] of [['Recipient', 'Wei Chen'], ['Street and number', '1 Century Avenue'], ['City', 'Shanghai'],
    ['Province', 'Shanghai'], ['Postal code', '200120']] as const) await type(page, page.getByLabel(label), text)
  await keys.press('Enter')
  await expect(page.getByRole('radio')).toBeChecked()
  await tabTo(page, page.getByRole('button', { name: /^Place the order/ }))
  await keys.press('Enter')

  for (const [label, text] of [['Card number', '4242424242424242'], ['Expiry', '1235'], ['Security code', '123']] as const) {
    await type(page, page.getByLabel(label), text)
  }
  await keys.press('Enter')
  await expect(page.getByText('Thank you! Your order is paid.')).toBeVisible()
})

/** Goes to an element as people do who have no mouse: they see where they are. */
async function tabTo(page: Page, target: Locator, key: 'Tab' | 'Shift+Tab' = 'Tab') {
  await expect(target).toBeVisible()
  await expect(async () => {
    await page.keyboard.press(key)
    expect(await target.evaluate((element) => element === document.activeElement)).toBe(true)
  }).toPass({ intervals: [0] })
  await expect(target).toHaveCSS('outline-style', /solid|auto/)
}

async function type(page: Page, target: Locator, text: string) {
  await tabTo(page, target)
  await page.keyboard.type(text)
}
