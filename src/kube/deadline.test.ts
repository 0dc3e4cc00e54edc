import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { withDeadline } from './deadline.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const untilAborted = (signal: AbortSignal): Promise<unknown> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason), { once: true }))

it('aborts after its time, though memory is cleaned up meanwhile', async () => {
  const aborted = untilAborted(withDeadline(100, new AbortController().signal))
  await sleep(0)
  collectGarbage()
  expect(await aborted).toMatchObject({ name: 'TimeoutError' })
})

it('aborts with each of the signals that it is given', async () => {
  const other = new AbortController()
  const signal = withDeadline(60_000, new AbortController().signal, other.signal)
  const aborted = untilAborted(signal)
  collectGarbage()
  other.abort(new Error('no more'))
  expect(await aborted).toMatchObject({ message: 'no more' })
})
