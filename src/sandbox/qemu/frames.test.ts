import { expect, it } from 'vitest'
import { encodeFrame, FrameReader, frameKind, mostPayloadBytes, splitPayload } from './frames.ts'

const frames = [
  { stream: 1, kind: frameKind.request, payload: Buffer.from('{"op":"hello"}') },
  { stream: 4_000_000_000, kind: frameKind.output, payload: Buffer.from([0, 1, 2, 255]) },
  { stream: 2, kind: frameKind.inputEnd, payload: Buffer.alloc(0) },
]

it('puts frames together from pieces of any size', () => {
  const bytes = Buffer.concat(frames.map(encodeFrame))
  for (const size of [1, 2, 7, 13, bytes.length]) {
    const reader = new FrameReader()
    const seen = []
    for (let at = 0; at < bytes.length; at += size) seen.push(...reader.push(bytes.subarray(at, at + size)))
    expect(seen).toEqual(frames)
  }
})

it('splits what is too long for one frame, and nothing else', () => {
  const bytes = Buffer.alloc(mostPayloadBytes * 2 + 1, 7)
  const pieces = [...splitPayload(bytes)]
  expect(pieces.map(({ length }) => length)).toEqual([mostPayloadBytes, mostPayloadBytes, 1])
  expect([...splitPayload(Buffer.alloc(0))]).toEqual([])
})
