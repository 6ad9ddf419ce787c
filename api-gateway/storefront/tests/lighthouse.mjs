// Lighthouse on the first pages that people see, as on a slow phone: at least 95 of 100 in each category. And the largest
// paint with a processor that is slowed to a quarter, without a slow network: at most 1.5 s. Let nothing else run beside
// it. With --without-times it leaves out what depends on a quiet machine; this is part of the end-to-end tests.
import { chromium } from '@playwright/test'
import lighthouse from 'lighthouse'

const mall = process.env.MALL_URL ?? 'http://127.0.0.1:8080'
const least = 95
const slowest = 1500 // ms
const times = !process.argv.includes('--without-times')
const settings = times ? {} : { onlyCategories: ['accessibility', 'best-practices', 'seo'], throttlingMethod: 'provided' }
const port = 9222 + (process.pid % 1000)

const product = process.env.MALL_PRODUCT ?? (await (await fetch(`${mall}/v1/products?page_size=1`)).json()).items[0].id
const args = [`--remote-debugging-port=${port}`, ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])]
const browser = await chromium.launch({ executablePath: process.env.MALL_CHROMIUM ?? '/usr/bin/chromium', args })
let failed = false
const show = (text, bad) => {
  console.log(bad ? '✗' : '✓', text)
  failed ||= bad
}
for (const path of ['/', `/products/${product}`]) {
  const { lhr } = await lighthouse(mall + path, { port, logLevel: 'error', ...settings })
  for (const { id, score } of Object.values(lhr.categories)) show(`${path} ${id} ${Math.round(score * 100)}`, score * 100 < least)
  if (!times) continue
  const paint = await largestPaint(mall + path)
  show(`${path} largest paint ${Math.round(paint)} ms`, paint > slowest)
}
await browser.close()
process.exit(failed ? 1 : 0)

async function largestPaint(url) {
  const page = await browser.newPage()
  await (await page.context().newCDPSession(page)).send('Emulation.setCPUThrottlingRate', { rate: 4 })
  await page.goto(url, { waitUntil: 'networkidle' })
  const paint = await page.evaluate(() => new Promise((resolve) => {
    new PerformanceObserver((list) => resolve(list.getEntries().at(-1).startTime)).observe({ type: 'largest-contentful-paint', buffered: true })
  }))
  await page.close()
  return paint
}
