import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import tailwindcss from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'

// The gateway sends these as they are: compressing once, at the best level, costs nothing per request.
function compressed(): Plugin {
  return {
    name: 'compressed',
    apply: 'build',
    writeBundle(options) {
      for (const name of readdirSync(options.dir!, { recursive: true, encoding: 'utf8' })) {
        const file = join(options.dir!, name)
        if (!/\.(js|css|html|svg|json|txt|webmanifest)$/.test(name) || statSync(file).size < 1024) continue
        const raw = readFileSync(file)
        writeFileSync(file + '.br', brotliCompressSync(raw, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: raw.length } }))
        writeFileSync(file + '.gz', gzipSync(raw, { level: 9 }))
      }
    },
  }
}

const mall = process.env['MALL_URL'] ?? 'http://127.0.0.1:8080'

export default defineConfig({
  plugins: [react(), tailwindcss(), compressed()],
  server: { host: '127.0.0.1', proxy: { '^/(v1|pictures|config\\.json|\\.well-known)': { target: mall, changeOrigin: true } } },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // What the frame of every page needs, and the lists of products: one file instead of fifteen.
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: 'shop', test: /src\/(app\/layout|ui\/product-card)\.tsx$/ }] } } },
  },
})
