import { expect, it } from 'vitest'
import { StopList } from './stop-list.ts'

it('stops everything, the last first, though one of it fails', async () => {
  const stopped: string[] = []
  const stops = new StopList()
  stops.add('first', async (each) => stopped.push(each))
  stops.add('second', () => Promise.reject(new Error('it does not stop')))
  stops.add('third', async (each) => stopped.push(each))
  await expect(stops.stop()).rejects.toThrow('it does not stop')
  expect(stopped).toEqual(['third', 'first'])
})
