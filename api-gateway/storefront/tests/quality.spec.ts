import AxeBuilder from '@axe-core/playwright'
import type { Page } from '@playwright/test'
import { cards, expect, signIn, test } from './mall'

// Every page of the shop, in both languages.
for (const language of ['en', 'zh']) {
  test(`axe finds nothing, ${language}`, async ({ page, seller, shopper }) => {
    test.slow()
    const tea = await seller.product()
    const gone = await seller.product({ stock: 0 })
    const [order, declined] = [await shopper.order(tea.id), await shopper.order(tea.id)]
    await shopper.request.post('/v1/payments', {
      headers: { Authorization: `Bearer ${shopper.token}`, 'Idempotency-Key': crypto.randomUUID() },
      data: { order_id: declined.id, card: { number: cards.declined.replaceAll(' ', ''), exp_month: 12, exp_year: 2035, cvc: '123' } },
    })
    await shopper.add(tea.id, 2)
    await page.goto('/')
    await page.evaluate((chosen) => localStorage.setItem('mall.language', chosen), language)
    const visitor = ['/', '/products', '/products?q=nothing-like-this', `/products/${tea.id}`, `/products/${gone.id}`, '/products/1',
      '/cart', '/sign-in', '/sign-up', '/reset', '/reset#x', '/verify', '/verify#x', '/nothing']
    const customer = ['/cart', '/checkout', '/orders', `/orders/${order.id}`, `/orders/${declined.id}`, '/account', '/account/addresses']
    for (const path of visitor) await accessible(page, path, language)
    await signIn(page, shopper.email)
    for (const path of customer) await accessible(page, path, language)
    await page.getByRole('banner').getByRole('combobox').fill(tea.name)
    await expect(page.getByRole('option').first()).toBeVisible()
    await check(page, 'suggestions')
    await page.keyboard.press('Escape')
    await page.locator('header button').last().click()
    await check(page, 'the menu')
    await page.keyboard.press('Escape')
    await page.goto(`/orders/${order.id}`)
    await page.getByRole('main').getByRole('button').last().click()
    await expect(page.getByRole('dialog')).toBeVisible()
    await check(page, 'a dialog')
  })
}

async function accessible(page: Page, path: string, language: string) {
  await page.goto(path)
  await expect(page.locator('h1').first()).toBeVisible()
  await expect(page.locator('[aria-busy=true]')).toHaveCount(0)
  await expect(page.locator('html')).toHaveAttribute('lang', new RegExp(`^${language}`))
  await check(page, path)
}

async function check(page: Page, where: string) {
  const { violations } = await new AxeBuilder({ page }).analyze()
  const found = violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' ')}`)
  expect(found, where).toEqual([])
}

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

test('nothing is wider than the window', async ({ page, seller, shopper }) => {
  const tea = await seller.product({ name: 'Donaudampfschifffahrtsgesellschaftskapitänsteekannenwärmer '.repeat(2).trim() })
  const order = await shopper.order(tea.id)
  await shopper.add(tea.id)
  await signIn(page, shopper.email)
  for (const path of ['/', '/products', `/products/${tea.id}`, '/cart', '/checkout', '/orders', `/orders/${order.id}`, '/account', '/account/addresses']) {
    await page.goto(path)
    await expect(page.locator('h1').first()).toBeVisible()
    const [is, may] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth])
    expect(is, path).toBeLessThanOrEqual(may!)
  }
})
