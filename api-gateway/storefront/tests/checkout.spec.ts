import { expect, fillAddress, pay, signIn, test } from './mall'

test('a visitor becomes a customer: from a product to a paid order', async ({ page, seller }) => {
  const tea = await seller.product()
  await page.goto(`/products/${tea.id}`)
  await page.getByRole('button', { name: 'Add to cart' }).click()
  await page.getByRole('link', { name: 'Go to cart' }).click()
  await page.getByRole('link', { name: 'Check out' }).click()
  await page.getByRole('link', { name: 'Create an account' }).click()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Create an account') // the page before has the same fields
  await page.getByLabel('Email').fill(`new-${tea.id}@example.org`)
  await page.getByLabel('Password', { exact: true }).fill('short')
  await page.getByRole('button', { name: 'Create an account' }).click()
  await expect(page.getByLabel('Password', { exact: true })).toHaveAccessibleDescription(/At least 10 characters/)
  await page.getByLabel('Password', { exact: true }).fill('Mall-tests-2026')
  await page.getByRole('button', { name: 'Create an account' }).click()
  await fillAddress(page, '20')
  await page.getByRole('button', { name: 'Use this address' }).click()
  await expect(page.getByLabel('Postal code')).toHaveAccessibleDescription(/does not look right/)
  await page.getByLabel('Postal code').fill('200120')
  await page.getByRole('button', { name: 'Use this address' }).click()
  await expect(page.getByRole('radio')).toBeChecked()
  await page.reload()
  await expect(page.getByRole('radio')).toBeChecked()
  await page.getByRole('button', { name: /^Place the order/ }).click()
  await expect(page.getByRole('timer')).toHaveText(/^Pay within \d/)
  await pay(page)
  await expect(page.getByText('Thank you! Your order is paid.')).toBeVisible()
  await expect(page.getByRole('link', { name: 'Cart', exact: true })).toBeVisible() // it is empty
  await page.goBack()
  await expect(page).not.toHaveURL(/orders/) // back does not lead to a checkout that would buy again
})

test('a double click and an answer that is lost place one order', async ({ page, seller, shopper }) => {
  await shopper.address()
  await shopper.add((await seller.product()).id)
  await signIn(page, shopper.email, '/checkout')
  const keys: (string | undefined)[] = []
  await page.route('**/v1/checkout', async (route) => {
    keys.push(route.request().headers()['idempotency-key'])
    const response = await route.fetch()
    if (keys.length === 1) await route.abort('connectionreset') // the mall has placed it
    else await route.fulfill({ response })
  })
  await page.getByRole('button', { name: /^Place the order/ }).dblclick()
  await expect(page.getByRole('timer')).toBeVisible()
  expect(new Set(keys).size).toBe(1)
  expect(keys.length).toBeGreaterThan(1)
  expect(await shopper.orders()).toHaveLength(1)
})

test('a reload in mid-checkout repeats the same intent', async ({ page, seller, shopper }) => {
  await shopper.address()
  await shopper.add((await seller.product()).id)
  await signIn(page, shopper.email, '/checkout')
  let keep = true
  await page.route('**/v1/checkout', async (route) => {
    if (!keep) return route.continue()
    await route.fetch()
    // no answer: the page is reloaded before it comes
  })
  const placed = page.waitForRequest((r) => r.url().endsWith('/v1/checkout') && r.method() === 'POST')
  await page.getByRole('button', { name: /^Place the order/ }).click()
  await placed
  await expect.poll(async () => (await shopper.orders()).length).toBe(1)
  keep = false
  await page.reload()
  // The cart is emptied by the order, or the same request is repeated: in both cases there is one order.
  const again = page.getByRole('button', { name: /^Place the order/ })
  await expect(again.or(page.getByText('There is nothing in your cart.'))).toBeVisible()
  if (await again.isVisible()) {
    await again.click()
    await expect(page.getByRole('timer').or(page.getByText('There is nothing in your cart.'))).toBeVisible()
  }
  expect(await shopper.orders()).toHaveLength(1)
})

test('two tabs place one order', async ({ page, context, seller, shopper }) => {
  await shopper.address()
  await shopper.add((await seller.product()).id)
  await signIn(page, shopper.email, '/checkout')
  const other = await context.newPage()
  await other.goto('/checkout')
  const places = [page, other].map((tab) => tab.getByRole('button', { name: /^Place the order/ }))
  for (const place of places) await expect(place).toBeEnabled()
  await Promise.all(places.map((place) => place.click()))
  await expect.poll(async () => (await shopper.orders()).length).toBe(1)
  for (const tab of [page, other]) await expect(tab.getByRole('button', { name: 'Placing the order…' })).toHaveCount(0)
  expect(await shopper.orders()).toHaveLength(1)
})

test('what is sold out meanwhile is said at the checkout', async ({ page, seller, shopper }) => {
  await shopper.address()
  const last = await seller.product({ stock: 1 })
  await shopper.add(last.id)
  await signIn(page, shopper.email, '/checkout')
  await expect(page.getByRole('button', { name: /^Place the order/ })).toBeEnabled()
  await seller.adjust(last.id, -1)
  await page.getByRole('button', { name: /^Place the order/ }).click()
  await expect(page.getByText(/sold meanwhile|Some things have changed/)).toBeVisible()
  expect(await shopper.orders()).toHaveLength(0)
})
