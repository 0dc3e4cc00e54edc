import { expect, it } from 'vitest'
import { type FileNode, FileView } from './file-view.ts'

const node = (type: FileNode['type'], more: Partial<FileNode['entry']> = {}): FileNode => ({
  layer: 0,
  type,
  entry: { mode: 0o755, owner: { uid: 0, gid: 0 }, modifiedAt: 0, pax: {}, linkName: '', size: 0, ...more },
})
const tooMuch: unknown = expect.objectContaining({ code: 'LimitExceeded' })
const failure = (work: () => void): unknown => {
  try {
    return work()
  } catch (error) {
    return error
  }
}

it('A view holds the directories of any distribution, and no more', () => {
  const view = new FileView()
  const add = (from: number, to: number): void => {
    for (let index = from; index < to; index += 1) view.add(`d${index}`, node('directory'))
  }
  expect(failure(() => add(0, 200_000))).toBeUndefined()
  expect(failure(() => add(200_000, 200_001))).toEqual(tooMuch)
})

it.each<[string, (view: FileView, index: number) => void]>([
  ['names', (view, index) => view.add(`${index}${'x'.repeat(100_000)}`, node('directory'))],
  ['links', (view, index) => view.add(`l${index}`, node('symlink', { linkName: 'x'.repeat(100_000) }))],
  ['attributes', (view, index) => view.add(`f${index}`, node('file', { pax: { x: 'x'.repeat(100_000) } }))],
  ['whiteouts', (view, index) => view.hide(`${index}${'x'.repeat(100_000)}`)],
  ['opaque directories', (view, index) => view.hideContent(`${index}${'x'.repeat(100_000)}`)],
])('A view does not keep %s without end', (_what, add) => {
  const view = new FileView()
  const fill = (): void => {
    for (let index = 0; index < 1000; index += 1) add(view, index)
  }
  expect(failure(fill)).toEqual(tooMuch)
})
