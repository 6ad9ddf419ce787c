import { expect, test } from 'vitest'
import { formatRemaining, learnTime, mallTime } from './clock'

test('the time is that of the mall, whatever the clock of the browser says', () => {
  const noon = Date.parse('2026-11-28T12:00:00Z')
  const hour = 3_600_000
  learnTime('Sat, 28 Nov 2026 12:00:00 GMT', noon + hour)
  expect(mallTime(noon + hour)).toBe(noon)
  learnTime('Sat, 28 Nov 2026 12:00:00 GMT', noon + hour + 900) // the same second
  expect(mallTime(noon + hour)).toBe(noon)
  learnTime(null, noon)
  expect(mallTime(noon + hour)).toBe(noon)
  learnTime('Sat, 28 Nov 2026 12:00:05 GMT', noon + 5000) // somebody has set the clock
  expect(mallTime(noon)).toBe(noon)
})

test('a remaining time is shown in minutes, and with hours if there are any', () => {
  expect([754_000, 1, 0, 3_661_000].map(formatRemaining)).toEqual(['12:34', '00:01', '00:00', '1:01:01'])
})
