import { expect, it } from 'vitest'
import { Slots } from './slots.ts'

const never = new AbortController().signal

it('lets the next in when one gives its slot back, and only once', async () => {
  const slots = new Slots(1)
  const first = await slots.take(never)
  const order: string[] = []
  const second = slots.take(never).then((give) => {
    order.push('second')
    return give
  })
  const third = slots.take(never).then(() => order.push('third'))
  first()
  first()
  const give = await second
  expect(order).toEqual(['second'])
  give()
  await third
  expect(order).toEqual(['second', 'third'])
})

it('does not keep those waiting who have to go', async () => {
  const slots = new Slots(1)
  const give = await slots.take(never)
  const leaving = new AbortController()
  const left = slots.take(leaving.signal)
  leaving.abort()
  const giveNothing = await left
  giveNothing()
  const next = slots.take(never)
  give()
  expect(await next).toBeTypeOf('function')
})
