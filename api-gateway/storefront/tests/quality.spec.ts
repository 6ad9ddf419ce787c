import { accessible, check, inEachLanguage } from './accessible'
import { cards, expect, signIn, test } from './mall'

test('every page is accessible in both languages, and no wider than the window', async ({ page, seller, shopper }) => {
  test.slow()
  const tea = await seller.product({ name: 'Donaudampfschifffahrtsgesellschaftskapitänsteekannenwärmer '.repeat(2).trim() })
  const gone = await seller.product({ stock: 0 })
  const [order, declined] = [await shopper.order(tea.id), await shopper.order(tea.id)]
  await expect(shopper.pay(declined.id, cards.declined)).rejects.toThrow('card_declined')
  await shopper.add(tea.id, 2)
  const visitor = ['/', '/products', '/products?q=nothing-like-this', `/products/${tea.id}`, `/products/${gone.id}`, '/products/1',
    '/cart', '/sign-in', '/sign-up', '/reset', '/reset#x', '/verify', '/verify#x', '/nothing']
  const customer = ['/cart', '/checkout', '/orders', `/orders/${declined.id}`, '/account', '/account/addresses', `/orders/${order.id}`]
  for (const path of visitor) await accessible(page, path)
  await signIn(page, shopper.email)
  for (const path of customer) await accessible(page, path)
  await inEachLanguage(page, async () => {
    const search = page.getByRole('banner').getByRole('combobox')
    await search.fill(tea.name)
    await expect(page.getByRole('option').first()).toBeVisible()
    await check(page, 'the suggestions')
    await search.fill('')
    await page.locator('header button').last().click()
    await expect(page.getByRole('menu')).toBeVisible()
    await check(page, 'the menu')
    await page.keyboard.press('Escape')
    await page.getByRole('main').getByRole('button').last().click()
    await expect(page.getByRole('dialog')).toBeVisible()
    await check(page, 'a dialog')
    await page.keyboard.press('Escape')
    await expect(page.getByRole('dialog')).toHaveCount(0)
  })
})

const limit = 170 * 1024 // bytes of compressed JavaScript

test('the first load is small, and nothing jumps', async ({ page, seller }) => {
  const tea = await seller.product()
  for (const path of ['/', `/products/${tea.id}`, '/products']) {
    const scripts: Promise<number>[] = []
    const count = (r: import('@playwright/test').Response) => {
      if (r.request().resourceType() === 'script') scripts.push(r.request().sizes().then((s) => s.responseBodySize))
    }
    page.on('response', count)
    await page.addInitScript(() => {
      const shifts: number[] = ((window as unknown as { shifts: number[] }).shifts = [])
      new PerformanceObserver((list) => {
        for (const e of list.getEntries() as (PerformanceEntry & { value: number })[]) shifts.push(e.value)
      }).observe({ type: 'layout-shift', buffered: true })
    })
    await page.goto(path, { waitUntil: 'networkidle' })
    await expect(page.locator('h1')).toBeVisible()
    page.off('response', count)
    const sizes = await Promise.all(scripts)
    const total = sizes.reduce((sum, size) => sum + size, 0)
    if (path === '/') {
      expect(total).toBeGreaterThan(0)
      expect(total).toBeLessThanOrEqual(limit)
    }
    const shifts = await page.evaluate(() => (window as unknown as { shifts: number[] }).shifts)
    expect(shifts.reduce((sum, shift) => sum + shift, 0), path).toBeLessThan(0.01)
  }
})
