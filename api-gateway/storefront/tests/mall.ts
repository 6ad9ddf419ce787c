// What the tests need of the mall besides the pages: a seller's products, shoppers, commands.
import { execFileSync } from 'node:child_process'
import { expect, test as base, type APIRequestContext, type APIResponse, type Page } from '@playwright/test'

export { expect }

export const password = 'Mall-tests-2026'
export const cards = {
  good: '4242 4242 4242 4242',
  declined: '4000 0000 0000 0002',
  noFunds: '4000 0000 0000 9995',
  unanswered: '4000 0000 0000 0259', // the provider's answer is lost
  slow: '4000 0000 0000 0341', // the provider answers after five seconds
  asked: '4000 0025 0000 3155',
  askedEachTime: '4000 0027 6000 3184',
}

const json = async <T>(response: APIResponse, status: number): Promise<T> => {
  if (response.status() !== status) throw new Error(`${response.url()}: ${response.status()} ${await response.text()}`)
  return (await response.json()) as T
}

export type Product = { id: string; name: string; etag: string }
export type Order = { id: string; status: string; total: number; created_at: string; payment_due_at: string }

/** Somebody who uses the API with a token. */
export class Client {
  constructor(readonly request: APIRequestContext, readonly token: string, readonly email = '') {}

  async send<T>(method: string, path: string, status: number, data?: unknown, headers: Record<string, string> = {}): Promise<T> {
    return json<T>(await this.request.fetch(path, { method, data, headers: { Authorization: `Bearer ${this.token}`, ...headers } }), status)
  }

  product(change: { name?: string; price?: number; stock?: number; category?: string } = {}): Promise<Product> {
    const name = change.name ?? `Tea ${unique()}`
    return this.send('POST', '/v1/products', 201, { description: 'Picked by hand.', category: 'browser', price: 1900, stock: 50, ...change, name })
  }

  async change(id: string, change: Record<string, unknown>): Promise<void> {
    const path = `/v1/products/${id}`
    const now = await this.request.get(path)
    await this.send('PATCH', path, 200, change, { 'If-Match': now.headers()['etag'] ?? '' })
  }

  adjust(id: string, delta: number): Promise<unknown> {
    return this.send('POST', `/v1/products/${id}/stock`, 200, { delta, reason: 'counted' }, key())
  }

  add(id: string, quantity = 1): Promise<unknown> {
    return this.send('POST', '/v1/cart/items', 200, { product_id: id, quantity }, key())
  }

  async address(): Promise<string> {
    const address = { recipient: 'Wei Chen', street: '1 Century Avenue', city: 'Shanghai', state: 'Shanghai', country: 'CN', postal_code: '200120' }
    return (await this.send<{ id: string }>('POST', '/v1/addresses', 201, address)).id
  }

  /** An order of one unit that awaits payment. */
  async order(product: string): Promise<Order> {
    const address_id = await this.address()
    return this.send('POST', '/v1/checkout', 201, { address_id, items: [{ product_id: product, quantity: 1 }] }, key())
  }

  pay(order: string, card = cards.good): Promise<unknown> {
    const number = card.replaceAll(' ', '')
    return this.send('POST', '/v1/payments', 201, { order_id: order, card: { number, exp_month: 12, exp_year: 2035, cvc: '123' } }, key())
  }

  /** The payments of an order, the newest first. */
  async payments(order: string): Promise<{ status: string }[]> {
    return (await this.send<{ items: { status: string }[] }>('GET', `/v1/orders/${order}/payments`, 200)).items
  }

  async orders(): Promise<Order[]> {
    return (await this.send<{ items: Order[] }>('GET', '/v1/orders', 200)).items
  }
}

const key = () => ({ 'Idempotency-Key': crypto.randomUUID() })

export const unique = () => crypto.randomUUID().slice(0, 8)

/** Opens an account. The browser is not signed in. */
export async function newShopper(request: APIRequestContext): Promise<Client> {
  const email = `shopper-${unique()}@example.org`
  await json(await request.post('/v1/users', { data: { email, password } }), 201)
  const { access_token } = await json<{ access_token: string }>(await request.post('/v1/sessions', { data: { email, password } }), 201)
  return new Client(request, access_token, email)
}

/** Opens a page in a browser that a shopper of these tests is signed in to. */
export const signIn = (page: Page, email: string, to = '/') => signInAs(page, { email, password }, to)

export async function signInAs(page: Page, data: { email: string; password: string }, to = '/') {
  const answer = await page.request.post('/v1/sessions', { data, headers: { 'X-Mall-Session': 'cookie' } })
  await json(answer, 201)
  await page.addInitScript(() => {
    if (sessionStorage.getItem('tests.seen') === null) localStorage.setItem('mall.signed-in', '1')
    sessionStorage.setItem('tests.seen', '1')
  })
  await page.goto(to)
  await expect(page.getByRole('button', { name: /^(Account|账户)/ })).toBeVisible()
}

/** Signs in by the form, as people do. */
export async function signInByForm(page: Page, email: string) {
  await page.goto('/sign-in')
  await page.getByLabel('Email').fill(email)
  await page.getByLabel('Password', { exact: true }).fill(password)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await expect(page.getByRole('button', { name: 'Account' })).toBeVisible()
}

export async function fillAddress(page: Page, postalCode = '200120') {
  await page.getByLabel('Country').selectOption('CN')
  await page.getByLabel('Recipient').fill('Wei Chen')
  await page.getByLabel('Street and number').fill('1 Century Avenue')
  await page.getByLabel('City').fill('Shanghai')
  await page.getByLabel('Province').fill('Shanghai')
  await page.getByLabel('Postal code').fill(postalCode)
}

export async function fillCard(page: Page, number = cards.good) {
  await page.getByLabel('Card number').fill(number)
  await page.getByLabel('Expiry').fill('12/35')
  await page.getByLabel('Security code').fill('123')
}

export async function pay(page: Page, number = cards.good) {
  await fillCard(page, number)
  await page.getByRole('button', { name: /^Pay / }).click()
}

/** Runs a command of the mall, such as kill. */
export const mall = (...args: string[]) => execFileSync(process.env['MALL_BIN']!, args, { encoding: 'utf8', cwd: process.env['MALL_ROOT'] })

type Fixtures = { seller: Client; shopper: Client; quiet: void }

export const test = base.extend<Fixtures>({
  seller: async ({ playwright, baseURL }, use) => {
    const request = await playwright.request.newContext({ baseURL: baseURL! })
    const data = { email: process.env['MALL_SELLER'], password: process.env['MALL_SELLER_PASSWORD'] }
    const { access_token } = await json<{ access_token: string }>(await request.post('/v1/sessions', { data }), 201)
    await use(new Client(request, access_token, data.email))
    await request.dispose()
  },
  shopper: async ({ playwright, baseURL }, use) => {
    const request = await playwright.request.newContext({ baseURL: baseURL! })
    await use(await newShopper(request))
    await request.dispose()
  },
  // No page may throw, violate its Content-Security-Policy or warn. Answers with an error are the tests' business.
  quiet: [async ({ context }, use) => {
    const said: string[] = []
    context.on('weberror', (e) => said.push(String(e.error())))
    context.on('console', (m) => {
      if (['error', 'warning'].includes(m.type()) && !m.text().startsWith('Failed to load resource')) said.push(m.text())
    })
    await use()
    expect(said).toEqual([])
  }, { auto: true }],
})
