import { expect, signInAs, test } from './mall'

test('an admin tries a parked event again and drops it', async ({ page }) => {
  const id = process.env['MALL_PARKED'] ?? ''
  test.skip(!id, 'deploy/e2e makes an event that cannot be handled')
  await signInAs(page, { email: process.env['MALL_ADMIN']!, password: process.env['MALL_SELLER_PASSWORD']! }, '/admin/parked')
  const event = page.getByRole('region', { name: 'product' }).getByRole('listitem').filter({ hasText: id })
  await expect(event).toContainText('mall.order.paid.v1')
  await event.getByRole('button', { name: 'Try now' }).click()
  await expect(page.getByText('The event is tried now.', { exact: true })).toBeVisible()
  await event.getByRole('button', { name: 'Drop' }).click()
  await page.getByLabel('Reason').fill('a test sent it')
  await page.getByRole('dialog').getByRole('button', { name: 'Drop' }).click()
  await expect(event).toHaveCount(0)
})
