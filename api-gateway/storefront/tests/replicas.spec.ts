import { expect, fillCard, mall, signInByForm, test } from './mall'
import { recordEvents } from './stream'

// Two gateways answer in turn at one address, as behind a load balancer.
test('whichever gateway answers, and whichever is killed, a session and a live order go on', async ({ page, seller, shopper }) => {
  await shopper.address()
  await shopper.add((await seller.product()).id)
  const received = await recordEvents(page)
  await signInByForm(page, shopper.email)
  for (let visit = 0; visit < 4; visit++) {
    await page.goto('/cart')
    await expect(page.getByRole('button', { name: 'Account' })).toBeVisible()
  }
  await page.goto('/checkout')
  await page.getByRole('button', { name: /^Place the order/ }).click()
  const live = page.getByText('Live', { exact: true })
  await expect(live).toBeVisible()
  const streams = received.streams
  for (const gateway of ['api-gateway', 'api-gateway-2']) { // the stream is at one of them
    mall('kill', gateway)
    await expect(live).toBeVisible()
  }
  await expect.poll(() => received.streams).toBeGreaterThan(streams)
  await expect(live).toBeVisible()
  await fillCard(page)
  await page.getByRole('button', { name: /^Pay / }).click()
  await expect(page.getByText('Thank you! Your order is paid.')).toBeVisible()
  expect(received.statuses).toEqual(['awaiting_payment', 'paid'])
  const [order] = await shopper.orders()
  expect((await shopper.payments(order!.id)).map((p) => p.status)).toEqual(['succeeded'])
})
