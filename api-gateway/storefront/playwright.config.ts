import { getuid } from 'node:process'
import { defineConfig } from '@playwright/test'

// The end-to-end tests start this with the mall that they test (deploy/e2e/storefront_test.go).
const report = process.env['MALL_REPORT']
const desktop = { viewport: { width: 1280, height: 900 } }
const serial = ['away.spec.ts', 'parked.spec.ts'] // what they do to the mall would disturb the others
const replicas = 'replicas.spec.ts' // needs two gateways
const phone = { viewport: { width: 390, height: 844 }, hasTouch: true }

export default defineConfig({
  testDir: 'tests',
  outputDir: process.env['MALL_RESULTS'] ?? 'test-results',
  fullyParallel: true,
  workers: 2,
  timeout: 120_000,
  expect: { timeout: 30_000 },
  reporter: report ? [['json', { outputFile: report }]] : 'list',
  use: {
    baseURL: process.env['MALL_URL'] ?? 'http://127.0.0.1:8080',
    locale: 'en-US',
    screenshot: 'only-on-failure',
    launchOptions: {
      executablePath: process.env['MALL_CHROMIUM'] ?? '/usr/bin/chromium',
      args: getuid?.() === 0 ? ['--no-sandbox'] : [], // as root Chromium refuses to have one
    },
  },
  projects: [
    { name: 'desktop', testIgnore: [...serial, replicas], use: desktop },
    { name: 'phone', testIgnore: [...serial, replicas], use: phone },
    { name: 'away', testMatch: serial, dependencies: ['desktop', 'phone'], workers: 1, use: desktop },
    { name: 'away-phone', testMatch: serial, grep: /@phone/, dependencies: ['away'], workers: 1, use: phone },
    { name: 'replicas', testMatch: replicas, use: desktop },
  ],
})
