import { describe, expect, it } from 'vitest'
import { formatReference } from '../../oci/reference.ts'
import { findBaseImages } from './bases.ts'

const list = (dockerfile: string, args: readonly string[] = []): string[] =>
  findBaseImages(dockerfile, args).map(formatReference)

describe('the images that a Dockerfile pulls', () => {
  it('are those of FROM with their arguments, without stages and scratch', () => {
    const dockerfile = `# syntax
ARG REGISTRY=r.example
ARG BASE=\${REGISTRY}/kernel-\\
headers
ARG TAG
FROM --platform=linux/amd64 \${BASE}:\${TAG:-1} AS build
FROM build as second
from scratch
COPY --from=build /a /a
COPY --from=0 /a /a
COPY --chown=1:1 --from=r.example/tools@sha256:${'a'.repeat(64)} /a /a
RUN --mount=type=bind,from=r.example/cache,target=/x make
FROM "$NOTHING"
`
    const rest = [`r.example/tools@sha256:${'a'.repeat(64)}`, 'r.example/cache:latest']
    expect(list(dockerfile)).toEqual(['r.example/kernel-headers:1', ...rest])
    expect(list(dockerfile, ['BASE=q.example/b', 'TAG=2', 'OTHER=3'])).toEqual(['q.example/b:2', ...rest])
  })

  it('are named in full, and left out where they are none', () => {
    expect(list('FROM ubuntu\nFROM docker://r.example/a\nFROM R.example/BAD\n')).toEqual([
      'docker.io/library/ubuntu:latest',
      'r.example/a:latest',
    ])
  })

  it('are found in whatever a ConfigMap holds, in time', () => {
    expect(list('ARG '.repeat(250_000))).toEqual([])
    expect(list(`FROM ${'$'.repeat(500_000)}`)).toEqual([])
    expect(list(Array.from({ length: 500 }, (_, index) => `FROM r.example/a${index}`).join('\n'))).toHaveLength(100)
  })
})
