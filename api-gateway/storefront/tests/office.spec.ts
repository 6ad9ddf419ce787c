import { accessible } from './accessible'
import { expect, password, signInAs, test, unique } from './mall'

const seller = { email: process.env['MALL_SELLER']!, password: process.env['MALL_SELLER_PASSWORD']! }
const admin = { email: process.env['MALL_ADMIN']!, password: process.env['MALL_SELLER_PASSWORD']! }

test('a seller sells something new, changes it and takes it off', async ({ page, shopper }) => {
  const name = `Kettle ${unique()}`
  await signInAs(page, seller, '/sell')
  await page.getByRole('link', { name: 'New product' }).click()
  await page.getByRole('button', { name: 'New product' }).click()
  await expect(page.getByLabel('Name')).toHaveAccessibleDescription('Please fill this in.')
  await page.getByLabel('Name').fill(name)
  await page.getByLabel('Description').fill('It whistles.')
  await page.getByLabel(/^Price/).fill('45.50')
  await page.getByLabel('Category').fill('browser')
  await page.getByLabel('Units in stock').fill('7')
  await page.getByRole('button', { name: 'New product' }).click()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(name)
  const id = page.url().split('/').at(-1)!
  await expect(page.getByText('7 on hand, 0 reserved')).toBeVisible()

  await page.getByLabel('Change').fill('-2')
  await page.getByLabel('Reason').fill('two broke')
  await page.getByRole('button', { name: 'Change the stock' }).click()
  await expect(page.getByText('Changed by hand: two broke')).toBeVisible()
  await expect(page.getByText('5 on hand, 0 reserved')).toBeVisible()

  await page.getByLabel(/^Price/).fill('39')
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await expect(page.getByText('Saved.', { exact: true })).toBeVisible()

  const order = await shopper.order(id)
  await shopper.pay(order.id)
  await page.goto('/sell/orders')
  await expect(async () => {
    await page.reload()
    await expect(page.getByText(`Order ${order.id}`)).toBeVisible({ timeout: 1000 })
  }).toPass()
  await expect(page.getByRole('article').filter({ hasText: order.id })).toContainText(`1 × ${name}`)

  await page.goto(`/sell/products/${id}`)
  await expect(page.getByLabel(/^Price/)).toHaveValue('39.00')
  await page.getByRole('button', { name: 'Remove the product' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Remove the product' }).click()
  await expect(page).toHaveURL(/\/sell$/)
  await page.goto(`/products/${id}`)
  await expect(page.getByRole('heading', { name: 'This product is not sold any more.' })).toBeVisible()
})

test('two who edit a product are told', async ({ page, seller: api }) => {
  const tea = await api.product({ price: 1000 })
  await signInAs(page, seller, `/sell/products/${tea.id}`)
  await expect(page.getByLabel(/^Price/)).toHaveValue('10.00')
  for (const choice of ['Take the other version', 'Save mine all the same']) {
    const theirs = choice.startsWith('Take') ? 2000 : 3000
    await api.change(tea.id, { price: theirs })
    await page.getByLabel(/^Price/).fill('15')
    await page.getByRole('button', { name: 'Save', exact: true }).click()
    await expect(page.getByText(/Somebody changed this product meanwhile/)).toBeVisible()
    await expect(page.getByText(`${theirs / 100}.00`)).toBeVisible()
    await page.getByLabel(/^Price/).fill('16') // while the question is open
    await page.getByRole('button', { name: choice }).click()
    await expect(page.getByText(/Somebody changed this product meanwhile/)).toHaveCount(0)
    await expect(page.getByLabel(/^Price/)).toHaveValue(choice.startsWith('Take') ? '20.00' : '16')
  }
  await page.reload()
  await expect(page.getByLabel(/^Price/)).toHaveValue('16.00')
})

const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEElEQVR4nGM4ISICRAwQCgAdHgPBfBJ9GQAAAABJRU5ErkJggg==', 'base64')

/** A picture of one pixel that only the browser can read: the mall takes no BMP. */
function bmp(red: number): Buffer {
  const file = Buffer.alloc(58)
  file.write('BM')
  for (const [at, value] of [[2, 58], [10, 54], [14, 40], [18, 1], [22, 1], [26, 1], [28, 24], [34, 4]] as const) file.writeUInt8(value, at)
  file.writeUInt8(red, 56)
  return file
}

test('a seller uploads pictures', async ({ page, seller: api }) => {
  const tea = await api.product({ price: 1000 })
  await signInAs(page, seller, `/sell/products/${tea.id}`)
  await page.getByLabel(/^Price/).fill('12') // is not lost
  await page.getByLabel('Upload pictures').setInputFiles([
    { name: 'front.png', mimeType: 'image/png', buffer: png },
    { name: 'side.bmp', mimeType: 'image/bmp', buffer: bmp(200) },
    { name: 'notes.jpg', mimeType: 'image/jpeg', buffer: Buffer.from('no picture') },
  ])
  await expect(page.getByText('notes.jpg: this is no picture that can be read.')).toBeVisible()
  await expect(page.getByLabel('Address of picture 2')).toHaveValue(/^\/v1\/pictures\/[0-9a-f]{32}$/)
  const side = await page.getByLabel('Address of picture 2').inputValue()
  await page.getByLabel('What picture 2 shows').fill('From the side')
  await page.getByRole('button', { name: 'Make picture 2 the main one' }).click()
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await expect(page.getByText('Saved.', { exact: true })).toBeVisible()

  await page.getByLabel('Upload pictures').setInputFiles({ name: 'front.png', mimeType: 'image/png', buffer: png })
  await expect(page.getByText('front.png: the product has this picture.')).toBeVisible()

  await page.goto(`/products/${tea.id}`)
  const main = page.getByRole('img', { name: 'From the side' }).first()
  await expect(main).toHaveAttribute('src', side)
  await expect(main).toHaveJSProperty('naturalWidth', 1)
  await expect(page.getByText('12.00')).toBeVisible()
})

test('an upload does not hide what somebody else has changed', async ({ page, seller: api }) => {
  const tea = await api.product({ price: 1000 })
  await signInAs(page, seller, `/sell/products/${tea.id}`)
  await expect(page.getByLabel(/^Price/)).toHaveValue('10.00')
  await api.change(tea.id, { price: 2000 })
  await page.getByLabel('Upload pictures').setInputFiles({ name: 'front.png', mimeType: 'image/png', buffer: png })
  await expect(page.getByRole('button', { name: 'Remove picture 1' })).toBeVisible()
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await expect(page.getByText(/Somebody changed this product meanwhile/)).toBeVisible()
})

test('an admin finds a user, changes roles, bans and lifts it', async ({ page, shopper }) => {
  await signInAs(page, admin, '/admin')
  await page.getByLabel('Email').fill(shopper.email)
  await page.getByRole('button', { name: 'Find' }).click()
  const row = page.getByRole('main').getByRole('listitem')
  await expect(row).toHaveCount(1)
  await page.getByRole('button', { name: `Change roles: ${shopper.email}` }).click()
  await page.getByRole('checkbox', { name: 'Seller' }).check()
  await page.getByRole('button', { name: 'Save' }).click()
  await expect(row).toContainText('Customer, Seller')
  await page.getByRole('button', { name: `Ban: ${shopper.email}` }).click()
  await page.getByLabel('Reason').fill('stolen cards')
  await page.getByRole('dialog').getByRole('button', { name: 'Ban' }).click()
  await expect(row).toContainText('Banned: stolen cards')
  const refused = await shopper.request.post('/v1/sessions', { data: { email: shopper.email, password } })
  expect(refused.status()).toBe(403)
  await page.getByRole('button', { name: `Lift the ban: ${shopper.email}` }).click()
  await expect(row).not.toContainText('Banned')
})

test('an admin sees why an order is as it is, and releases what is held', async ({ page, seller: api, shopper }) => {
  const tea = await api.product()
  const [paid, open] = [await shopper.order(tea.id), await shopper.order(tea.id)]
  await shopper.pay(paid.id)
  await signInAs(page, admin, '/admin/orders')
  await page.getByLabel('Number of the order').fill(paid.id)
  await page.getByRole('button', { name: 'Show' }).click()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(`Order ${paid.id}`)
  await expect(async () => {
    await page.reload()
    await expect(page.getByText('Taken out')).toBeVisible({ timeout: 1000 })
  }).toPass()
  await expect(page.getByText('mall.order.placed.v1')).toBeVisible()
  await expect(page.getByText('Succeeded')).toBeVisible()
  await expect(page.getByText(/trace [0-9a-f]{32}/).first()).toBeVisible()

  await page.goto('/admin/holds')
  await page.getByLabel('Number of the product').fill(tea.id)
  await page.getByRole('button', { name: 'Find' }).click()
  const release = page.getByRole('button', { name: `Release: ${open.id}` })
  await expect(async () => {
    await page.reload()
    await expect(release).toBeVisible({ timeout: 1000 })
  }).toPass()
  await release.click()
  await page.getByLabel('Reason').fill('never pays')
  await page.getByRole('dialog').getByRole('button', { name: 'Release' }).click()
  await expect(release).toHaveCount(0)
})

test('an admin sees what is set, and what the audit found', async ({ page }) => {
  await signInAs(page, admin, '/admin/settings')
  const timeout = page.getByRole('region', { name: 'order' }).getByRole('listitem').filter({ hasText: 'order.payment_timeout' })
  await expect(timeout).toContainText('how long a shopper has to pay')
  await page.getByRole('link', { name: 'Audit' }).click()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Audit')
  await expect(page.getByText(/^(The books (do not )?balance\.|No audit has been run yet)/)).toBeVisible()
})

test('to others these pages do not exist', async ({ page, shopper }) => {
  await signInAs(page, { email: shopper.email, password }, '/sell')
  await expect(page.getByText('This page does not exist.')).toBeVisible()
  await page.goto('/admin')
  await expect(page.getByText('This page does not exist.')).toBeVisible()
  expect(await page.getByRole('link', { name: 'Sell' }).count()).toBe(0)
})

test('every page of sellers and admins is accessible in both languages, and no wider than the window', async ({ page, seller: api, shopper }) => {
  test.slow()
  const tea = await api.product()
  const order = await shopper.order(tea.id)
  await signInAs(page, seller)
  for (const path of ['/sell', '/sell/products/new', `/sell/products/${tea.id}`, '/sell/orders']) await accessible(page, path)
  await signInAs(page, admin)
  for (const path of ['/admin', '/admin/orders', `/admin/orders/${order.id}`, '/admin/holds', '/admin/parked', '/admin/audit', '/admin/settings']) await accessible(page, path)
})
