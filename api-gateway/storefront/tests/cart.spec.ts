import { expect, signIn, signInByForm, test } from './mall'

test('a cart from before the sign-in comes along, once', async ({ page, seller, shopper }) => {
  const [tea, cup] = [await seller.product(), await seller.product()]
  await shopper.add(tea.id)
  for (const p of [tea, cup]) {
    await page.goto(`/products/${p.id}`)
    await page.getByRole('button', { name: 'Add to cart' }).click()
    await expect(page.getByText(`In your cart: ${p.name}`, { exact: true })).toBeVisible()
  }
  await page.getByRole('link', { name: 'Cart, 2 items' }).click()
  await expect(page.getByText('You can look around and fill your cart without an account.')).toBeVisible()
  await page.reload()
  await expect(page.getByLabel('Quantity')).toHaveCount(2)
  await signInByForm(page, shopper.email)
  await expect(page.getByRole('link', { name: 'Cart, 3 items' })).toBeVisible()
  await page.reload()
  await expect(page.getByRole('link', { name: 'Cart, 3 items' })).toBeVisible()
})

test('quantities change at once, and a line goes', async ({ page, seller, shopper }) => {
  const tea = await seller.product({ price: 1000, stock: 3 })
  await shopper.add(tea.id)
  await signIn(page, shopper.email, '/cart')
  const total = page.getByText('Total of goods').locator('xpath=..')
  await expect(total).toContainText('10.00')
  await page.getByRole('button', { name: `One more of ${tea.name}` }).click()
  await expect(total).toContainText('20.00')
  await page.getByLabel('Quantity').fill('99')
  await page.getByLabel('Quantity').press('Enter')
  await expect(page.getByLabel('Quantity')).toHaveValue('3')
  await expect(total).toContainText('30.00')
  await expect(async () => {
    const cart = await shopper.send<{ items: { quantity: number }[] }>('GET', '/v1/cart', 200)
    expect(cart.items.map((line) => line.quantity)).toEqual([3]) // the page is ahead of the mall
  }).toPass()
  await page.reload()
  await expect(total).toContainText('30.00')
  await page.getByRole('button', { name: `Remove ${tea.name}` }).click()
  await expect(page.getByText('Your cart is empty.')).toBeVisible()
})

test('the cart says what has changed before the checkout does', async ({ page, seller, shopper }) => {
  const [dearer, gone, fewer] = [await seller.product(), await seller.product(), await seller.product()]
  await shopper.add(dearer.id)
  await shopper.add(gone.id)
  await shopper.add(fewer.id, 5)
  await signIn(page, shopper.email, '/cart')
  await expect(page.getByRole('link', { name: 'Check out' })).toBeVisible()
  await seller.change(dearer.id, { price: 2900 })
  await seller.adjust(gone.id, -50)
  await seller.adjust(fewer.id, -48)
  await expect(async () => {
    await page.reload()
    await expect(page.getByText(/The price changed from .*19\.00 to .*29\.00/)).toBeVisible({ timeout: 1000 })
    await expect(page.getByText('Sold out. Remove it to check out.')).toBeVisible({ timeout: 1000 })
    await expect(page.getByText('Only 2 left. Take fewer to check out.')).toBeVisible({ timeout: 1000 })
  }).toPass()
  await expect(page.getByRole('button', { name: 'Check out' })).toBeDisabled()
  await page.getByRole('button', { name: `Remove ${gone.name}` }).click()
  await page.getByRole('button', { name: `One less of ${fewer.name}` }).click()
  await expect(page.getByRole('listitem').filter({ hasText: fewer.name }).getByLabel('Quantity')).toHaveValue('2')
  await page.getByRole('link', { name: 'Check out' }).click()
  await expect(page.getByRole('heading', { name: 'Where should it go?' })).toBeVisible()
})
