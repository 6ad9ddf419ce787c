import { cards, expect, pay, signIn, test } from './mall'

test('a declined card is said, and another one pays', async ({ page, seller, shopper }) => {
  const order = await shopper.order((await seller.product()).id)
  await signIn(page, shopper.email, `/orders/${order.id}`)
  await pay(page, cards.declined)
  await expect(page.getByText('The card was declined (by the bank). Nothing was charged. Try another card.')).toBeVisible()
  await pay(page, cards.noFunds)
  await expect(page.getByText(/not enough money/)).toBeVisible()
  await page.reload()
  await expect(page.getByText(/not enough money/)).toBeVisible()
  await pay(page)
  await expect(page.getByText('Thank you! Your order is paid.')).toBeVisible()
})

test('a card is checked before it is sent', async ({ page, seller, shopper }) => {
  const order = await shopper.order((await seller.product()).id)
  await signIn(page, shopper.email, `/orders/${order.id}`)
  await page.getByLabel('Card number').fill('4242 4242 4242 4241')
  await page.getByLabel('Expiry').fill('01/20')
  await page.getByRole('button', { name: /^Pay / }).click()
  await expect(page.getByLabel('Card number')).toHaveAccessibleDescription('Please check the number.')
  await expect(page.getByLabel('Expiry')).toHaveAccessibleDescription(/not in the past/)
  await expect(page.getByLabel('Security code')).toHaveAccessibleDescription('Three or four digits.')
})

for (const card of ['asked', 'askedEachTime'] as const) {
  test(`a bank that asks is answered on the page, also after a reload: ${card}`, async ({ page, seller, shopper }) => {
    const order = await shopper.order((await seller.product()).id)
    await signIn(page, shopper.email, `/orders/${order.id}`)
    await pay(page, cards[card])
    const question = page.getByText('Your bank wants you to confirm the payment.')
    await expect(question).toBeVisible()
    await page.reload()
    await page.getByRole('button', { name: 'Refuse' }).click()
    await expect(page.getByText('The card was declined (not confirmed). Nothing was charged. Try another card.')).toBeVisible()
    await pay(page, cards[card])
    await expect(question).toBeVisible()
    await page.getByRole('button', { name: 'Confirm' }).click()
    await expect(page.getByText('Thank you! Your order is paid.')).toBeVisible()
    expect((await shopper.payments(order.id)).map((p) => p.status)).toEqual(['succeeded', 'failed'])
  })
}

for (const card of ['unanswered', 'slow'] as const) {
  test(`a payment that is processed is said, also after a reload, and the order is paid: ${card}`, async ({ page, seller, shopper }) => {
    const order = await shopper.order((await seller.product()).id)
    await signIn(page, shopper.email, `/orders/${order.id}`)
    await pay(page, cards[card])
    const processing = page.getByText(/Your payment is being processed/)
    const thanks = page.getByText('Thank you! Your order is paid.')
    await expect(processing).toBeVisible()
    await expect(page.getByLabel('Card number')).toHaveCount(0)
    await page.reload()
    await expect(processing.or(thanks)).toBeVisible()
    await expect(thanks).toBeVisible({ timeout: 60_000 })
    expect((await shopper.payments(order.id)).map((p) => p.status)).toEqual(['succeeded'])
  })
}

for (const minutes of [-60, 60]) {
  test(`an order can be paid in a browser whose clock is wrong by ${minutes} minutes`, async ({ page, seller, shopper }) => {
    const order = await shopper.order((await seller.product()).id)
    await page.clock.install({ time: Date.now() + minutes * 60_000 })
    await signIn(page, shopper.email, `/orders/${order.id}`)
    await expect(page.getByRole('timer')).toHaveText(/^Pay within 1[0-5]:\d\d$/)
    await pay(page)
    await expect(page.getByText('Thank you! Your order is paid.')).toBeVisible()
  })
}

test('a payment elsewhere shows without a reload', async ({ page, seller, shopper }) => {
  const order = await shopper.order((await seller.product()).id)
  await signIn(page, shopper.email, `/orders/${order.id}`)
  await expect(page.getByText('Live', { exact: true })).toBeVisible()
  await shopper.pay(order.id)
  await expect(page.getByText('Thank you! Your order is paid.')).toBeVisible()
  await expect(page.getByRole('listitem').filter({ hasText: 'Paid' })).toBeVisible()
})

test('an order is cancelled after a question', async ({ page, seller, shopper }) => {
  const order = await shopper.order((await seller.product()).id)
  await signIn(page, shopper.email, '/orders')
  await page.getByRole('main').getByRole('link').first().click()
  await page.getByRole('button', { name: 'Cancel the order' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Keep it' }).click()
  await expect(page.getByRole('dialog')).toHaveCount(0)
  await page.getByRole('button', { name: 'Cancel the order' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel the order' }).click()
  await expect(page.getByText('You cancelled it.')).toBeVisible()
  await page.goto('/orders')
  await page.getByLabel('Your orders').selectOption('cancelled')
  await expect(page.locator(`a[href="/orders/${order.id}"]`)).toContainText('Cancelled')
})

test('the address of an unpaid order changes', async ({ page, seller, shopper }) => {
  const order = await shopper.order((await seller.product()).id)
  const other = { recipient: 'Anna Weber', street: 'Marktplatz 1', city: 'Bremen', postal_code: '28195', country: 'DE' }
  await shopper.send('POST', '/v1/addresses', 201, other)
  await signIn(page, shopper.email, `/orders/${order.id}`)
  await page.getByRole('button', { name: 'Change the address' }).click()
  await page.getByRole('dialog').getByRole('button', { name: /Anna Weber/ }).click()
  await expect(page.getByRole('dialog')).toHaveCount(0)
  await expect(page.getByText('Marktplatz 1')).toBeVisible()
})

test('the order of somebody else does not exist', async ({ page, seller, shopper, playwright, baseURL }) => {
  const order = await shopper.order((await seller.product()).id)
  const { newShopper } = await import('./mall')
  const stranger = await newShopper(await playwright.request.newContext({ baseURL: baseURL! }))
  await signIn(page, stranger.email, `/orders/${order.id}`)
  await expect(page.getByText('This page does not exist.')).toBeVisible()
})
