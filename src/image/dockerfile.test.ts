import { describe, expect, it } from 'vitest'
import { listBaseImages, listInstructions } from './dockerfile.ts'

const list = (lines: readonly string[], given: Record<string, string> = {}): string[] =>
  listBaseImages(lines.join('\n'), new Map(Object.entries(given)))

describe('the base images of a Dockerfile', () => {
  it('are those of its FROM lines, each once', () => {
    expect(list(['FROM a:1', 'RUN x', 'from b/c@sha256:1', 'FROM a:1'])).toEqual(['a:1', 'b/c@sha256:1'])
  })

  it('leave out scratch and the stages of the file', () => {
    expect(list(['FROM a:1 AS Builder', 'FROM scratch', 'COPY --from=builder /x /x', 'FROM builder'])).toEqual(['a:1'])
  })

  it('may be given for a platform', () => {
    expect(list(['FROM --platform=$BUILDPLATFORM a:1 as b'])).toEqual(['a:1'])
  })

  it('take build arguments before the defaults of ARG lines', () => {
    const lines = [
      'ARG KERNEL_FULL_VERSION',
      'ARG BASE="img" TAG=2',
      'ARG FULL=$BASE:$TAG',
      'FROM ${FULL}-$KERNEL_FULL_VERSION',
    ]
    expect(list(lines, { KERNEL_FULL_VERSION: '6.1.0' })).toEqual(['img:2-6.1.0'])
    expect(list(lines, { KERNEL_FULL_VERSION: '6.1.0', TAG: '3' })).toEqual(['img:3-6.1.0'])
  })

  it('know the default of a variable that is not set', () => {
    expect(list(['ARG V', 'FROM a:${V:-latest}'])).toEqual(['a:latest'])
    expect(list(['ARG V', 'FROM a:${V:-latest}'], { V: '9' })).toEqual(['a:9'])
  })

  it('do not see what is declared in a stage', () => {
    expect(list(['FROM a:1', 'ARG V=7', 'FROM b:$V'])).toEqual(['a:1', 'b:'])
  })

  it('are found over continued lines and between comments', () => {
    expect(list(['# syntax=x', 'FROM \\', '# aside', '', '  a:1 \\', ' AS b'])).toEqual(['a:1'])
    expect(list(['# escape=`', 'FROM `', '  a:1'])).toEqual(['a:1'])
  })

  it('cost little in a Dockerfile that means harm', () => {
    const doubling = Array.from({ length: 60 }, (_, index) => `ARG a${index + 1}=$a${index}$a${index}`)
    const started = process.cpuUsage()
    expect(list(['ARG a0=xxxxxxxxxx', ...doubling, 'FROM $a60', 'FROM b:1'])).toEqual(['b:1'])
    expect(list(Array.from({ length: 20_000 }, () => 'RUN <<a <<b <<c'))).toEqual([])
    const { user } = process.cpuUsage(started)
    expect(user).toBeLessThan(2_000_000)
  })

  it('are not looked for in here-documents', () => {
    expect(
      list([
        'FROM a:1',
        'RUN <<-EOF python3',
        'from os import path',
        '\tEOF',
        'COPY <<"A" <<B /x/',
        'FROM x',
        'A',
        'FROM y',
        'B',
        'FROM b:1',
      ]),
    ).toEqual(['a:1', 'b:1'])
  })

  it('are those that files are copied from, too', () => {
    expect(list(['FROM a:1', 'COPY --from=b:2 --chown=1 /x /y', 'COPY --from=0 /x /y'])).toEqual(['a:1', 'b:2'])
  })

  it('stay as they are where a variable cannot be read', () => {
    expect(list(['FROM a:${V'])).toEqual(['a:${V'])
  })

  it('are at most 100', () => {
    expect(list(Array.from({ length: 100 }, (_, at) => `FROM a:${at}`))).toHaveLength(100)
  })
})

it('reads instructions with Windows line ends and a mark of the byte order', () => {
  expect(listInstructions('\ufeffFROM a\r\nRUN b \\\r\n  c\r\n')).toEqual(['FROM a', 'RUN b   c'])
})

it('takes an instruction whose end is missing', () => {
  expect(listInstructions('FROM a \\')).toEqual(['FROM a'])
})
