import { createReadStream, existsSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'
import { expect, fillCard, mall, signIn, signInByForm, test, type Order } from './mall'
import { recordEvents } from './stream'

test('order is killed between checkout and payment, with the page open', { tag: '@phone' }, async ({ page, seller, shopper }) => {
  await shopper.address()
  await shopper.add((await seller.product()).id)
  await signIn(page, shopper.email, '/checkout')
  await page.getByRole('button', { name: /^Place the order/ }).click()
  await expect(page.getByText('Live', { exact: true })).toBeVisible()
  mall('kill', 'order')
  await fillCard(page)
  const thanks = page.getByText('Thank you! Your order is paid.')
  await expect(async () => {
    const button = page.getByRole('button', { name: /^Pay / })
    if (await button.isVisible()) await button.click({ timeout: 1000 })
    await expect(thanks).toBeVisible({ timeout: 3000 })
  }).toPass({ timeout: 90_000 })
  const [order] = await shopper.orders()
  expect((await shopper.payments(order!.id)).filter((p) => p.status === 'succeeded')).toHaveLength(1)
})

test('a page says that it is offline, and catches up', { tag: '@phone' }, async ({ page, context, seller, shopper }) => {
  const order = await shopper.order((await seller.product()).id)
  await signIn(page, shopper.email, `/orders/${order.id}`)
  await expect(page.getByText('Live', { exact: true })).toBeVisible()
  await context.setOffline(true)
  await expect(page.getByText('You are offline.')).toBeVisible()
  await shopper.pay(order.id)
  await context.setOffline(false)
  await expect(page.getByText('You are offline.')).toHaveCount(0)
  await expect(page.getByText('Thank you! Your order is paid.')).toBeVisible()
})

test('the gateway is killed, and the page goes on without a gap or a repeat', { tag: '@phone' }, async ({ page, seller, shopper }) => {
  const order = await shopper.order((await seller.product()).id)
  const received = await recordEvents(page)
  await signIn(page, shopper.email, `/orders/${order.id}`)
  await expect(page.getByText('Live', { exact: true })).toBeVisible()
  await expect.poll(() => received.statuses).toEqual(['awaiting_payment'])
  mall('kill', 'api-gateway')
  await expect(page.getByText('Not live at the moment; trying again.').or(page.getByText('Live', { exact: true }))).toBeVisible()
  await expect(async () => { await shopper.pay(order.id) }).toPass()
  await expect(page.getByText('Thank you! Your order is paid.')).toBeVisible()
  await expect.poll(() => received.statuses).toEqual(['awaiting_payment', 'paid'])
  expect(received.streams).toBeGreaterThan(1)
})

// The setting counts for every order of the mall.
test('the countdown of an order ends, and the page shows how', async ({ page, seller, shopper }) => {
  const tea = await seller.product()
  const seconds = 10
  const timeToPay = (order: Order) => Math.round((Date.parse(order.payment_due_at) - Date.parse(order.created_at)) / 1000)
  mall('config', 'set', 'order.payment_timeout', `${seconds}s`)
  try {
    await expect.poll(async () => timeToPay(await shopper.order(tea.id)), { message: 'seconds to pay' }).toBe(seconds)
    await shopper.add(tea.id)
    await signIn(page, shopper.email, '/checkout')
    await page.getByRole('button', { name: /^Place the order/ }).click()
    const timer = page.getByRole('timer')
    await expect(timer).toHaveText(/^Pay within 00:0\d$/)
    await expect(page.getByLabel('Card number')).toBeVisible()
    await page.evaluate(() => document.documentElement.setAttribute('data-tests', 'not reloaded'))
    await expect(timer).toHaveText('The time to pay is over.')
    await expect(page.getByLabel('Card number')).toHaveCount(0)
    await expect(page.getByText('It was not paid in time.')).toBeVisible()
    await expect(page.getByRole('main').getByText('Cancelled')).toHaveCount(2) // the status, and what happened
    await expect(timer.or(page.getByRole('button', { name: 'Cancel the order' }))).toHaveCount(0)
    await expect(page.locator('html')).toHaveAttribute('data-tests', 'not reloaded')
  } finally {
    mall('config', 'unset', 'order.payment_timeout')
    await expect.poll(async () => timeToPay(await shopper.order(tea.id)), { message: 'seconds to pay' }).toBeGreaterThan(seconds)
  }
})

// The built files on a server of their own, as on a bucket, with the API elsewhere.
test('the shop works on another host', async ({ browser, baseURL, seller, shopper }) => {
  const files = join(process.env['MALL_ROOT']!, 'api-gateway', 'storefront', 'dist')
  const types: Record<string, string> = { '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.html': 'text/html' }
  const bucket = createServer((request, response) => {
    const path = new URL(request.url!, 'http://bucket').pathname
    if (path === '/config.json') {
      response.setHeader('Content-Type', 'application/json').end(JSON.stringify({ api: baseURL }))
      return
    }
    const file = join(files, path)
    const found = existsSync(file) && statSync(file).isFile() ? file : join(files, 'index.html')
    response.setHeader('Content-Type', types[extname(found)] ?? 'application/octet-stream')
    createReadStream(found).pipe(response)
  })
  await new Promise<void>((resolve) => bucket.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(bucket.address() as AddressInfo).port}`
  mall('config', 'set', 'gateway.allowed_origins', origin)
  try {
    await shopper.address()
    const tea = await seller.product()
    const page = await browser.newPage({ baseURL: origin })
    await expect(async () => {
      await page.goto(`/products/${tea.id}`)
      await expect(page.getByRole('heading', { level: 1, name: tea.name })).toBeVisible({ timeout: 1000 })
    }).toPass()
    await page.getByRole('button', { name: 'Add to cart' }).click()
    await signInByForm(page, shopper.email)
    await page.goto('/checkout')
    await page.getByRole('button', { name: /^Place the order/ }).click()
    await expect(page.getByText('Live', { exact: true })).toBeVisible()
    await page.close()
  } finally {
    mall('config', 'unset', 'gateway.allowed_origins')
    bucket.close()
  }
})
