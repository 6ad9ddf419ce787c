import { expect, test } from 'vitest'
import { drawnSize } from './upload'

const small = 300_000
test.each([
  ['a picture that the mall takes', { type: 'image/jpeg', size: small }, 4000, 3000, undefined],
  ['too many pixels', { type: 'image/jpeg', size: small }, 6000, 4000, [2400, 1600]],
  ['too many bytes', { type: 'image/png', size: 9_000_000 }, 2000, 1000, [2000, 1000]],
  ['another type', { type: 'image/heic', size: small }, 1000, 800, [1000, 800]],
  ['a thin one', { type: 'image/avif', size: small }, 10_000, 2, [2400, 1]],
])('%s', (_, file, width, height, want) => expect(drawnSize(file, width, height)).toEqual(want))
