import { expect, test, unique } from './mall'

test('a visitor finds products by category, search, price and order', async ({ page, seller }) => {
  const category = `finds-${unique()}`
  const word = unique()
  for (const [name, price] of [['cheap', 500], ['fair', 1500], ['dear', 9900]] as const) {
    await seller.product({ name: `${name} ${word}`, price, category })
  }
  await page.goto('/')
  await page.getByRole('searchbox').fill(word)
  await page.getByRole('searchbox').press('Enter')
  const names = page.locator('article').getByRole('heading')
  await expect(names).toHaveCount(3)
  await page.getByLabel('Sort by').selectOption('-price')
  await expect(names).toHaveText([`dear ${word}`, `fair ${word}`, `cheap ${word}`])
  await page.getByLabel('Price from').fill('10')
  await page.getByLabel('to', { exact: true }).fill('20')
  await page.getByRole('button', { name: 'Apply' }).click()
  await expect(names).toHaveText([`fair ${word}`])
  await page.reload()
  await expect(names).toHaveText([`fair ${word}`])
  await expect(page.getByLabel('Price from')).toHaveValue('10')
  await page.goBack()
  await expect(names).toHaveText([`dear ${word}`, `fair ${word}`, `cheap ${word}`])
  await page.goto(`/products?category=${category}&sort=price`)
  await expect(names).toHaveText([`cheap ${word}`, `fair ${word}`, `dear ${word}`])
})

test('a long list keeps its place after reload and back', async ({ page, seller }) => {
  const category = `long-${unique()}`
  await Promise.all(Array.from({ length: 26 }, (_, i) => seller.product({ name: `Cup ${i}`, price: 100 + i, category })))
  await page.goto(`/products?category=${category}&sort=price`)
  const products = page.locator('article')
  await expect(products).toHaveCount(24)
  await page.getByRole('button', { name: 'Show more' }).click()
  await expect(products).toHaveCount(26)
  await expect(page.getByText('That is everything.')).toBeVisible()
  await page.reload()
  await expect(products).toHaveCount(26)
  await products.last().getByRole('link').click()
  await expect(page.getByRole('heading', { level: 1, name: 'Cup 25' })).toBeVisible()
  await page.goBack()
  await expect(products).toHaveCount(26)
  await expect(products.last()).toBeInViewport()
})

test('a product says how much is left, and when nothing is', async ({ page, seller }) => {
  const few = await seller.product({ stock: 2 })
  await page.goto(`/products/${few.id}`)
  await expect(page.getByText('Only 2 left')).toBeVisible()
  await expect(page.getByRole('button', { name: /One more/ })).toBeEnabled()
  await page.getByRole('button', { name: /One more/ }).click()
  await expect(page.getByRole('button', { name: /One more/ })).toBeDisabled()
  await seller.adjust(few.id, -2)
  await expect(async () => {
    await page.reload()
    await expect(page.getByText('Sold out')).toBeVisible({ timeout: 1000 })
  }).toPass()
  await expect(page.getByRole('button', { name: 'Add to cart' })).toHaveCount(0)
})

test('what does not exist is said, with a way on', async ({ page }) => {
  await page.goto('/products/1')
  await expect(page.getByRole('heading', { name: 'This product is not sold any more.' })).toBeVisible()
  await page.goto('/nothing/here')
  await expect(page.getByText('This page does not exist.')).toBeVisible()
  await page.getByRole('link', { name: 'To the start page' }).click()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Good things, honestly sold')
})

test('the language is chosen by the browser at first, then by the visitor', async ({ browser, baseURL }) => {
  const context = await browser.newContext({ locale: 'zh-CN', baseURL: baseURL! })
  const page = await context.newPage()
  await page.goto('/')
  await expect(page.locator('html')).toHaveAttribute('lang', /^zh/)
  await page.getByRole('contentinfo').getByRole('combobox').selectOption('en')
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Good things, honestly sold')
  await page.reload()
  await expect(page.locator('html')).toHaveAttribute('lang', 'en')
  await context.close()
})
