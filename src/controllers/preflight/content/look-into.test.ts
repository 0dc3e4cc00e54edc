import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fillCaches } from '../../../../test/builders/caches.ts'
import { buildModule } from '../../../../test/builders/module.ts'
import { buildAsked, digest, nextKernel } from '../../../../test/builders/preflight.ts'
import { type ErrorCode, KmmError } from '../../../errors/error.ts'
import type { KubeClient } from '../../../kube/client.ts'
import type { Registry } from '../../../oci/registry.ts'
import { createTokenCache } from '../../../oci/token-cache.ts'
import { createSilentRegistries } from '../../images/silent-registries.ts'
import { lookInto, type LookTools } from './look-into.ts'
import type { ContentResult } from './observed.ts'
import { findWish } from './wish.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kmm-look-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

const module = buildModule()
const config = buildAsked({ modules: [module] }, { phase: 'Exists', digest })
const caches = fillCaches({ modules: [module], moduleImagesConfigs: [config] })

/** An API server without any Secret, and with the service account of the Module. */
const client = {
  get: (_resource: unknown, { name = '' }) => Promise.resolve({ metadata: { name } }),
} as unknown as KubeClient

function failWith(error: unknown): NonNullable<LookTools['openRegistry']> {
  return () => ({ resolveImage: () => Promise.reject(error), close: () => Promise.resolve() }) as unknown as Registry
}

async function look(parts: Partial<LookTools>): Promise<ContentResult> {
  const wish = findWish(config, module, nextKernel)
  if (wish === undefined) throw new Error('there is nothing to look into')
  const tools: LookTools = {
    client,
    caches,
    settings: {},
    tokens: createTokenCache(),
    warn: () => undefined,
    temporaryFolder: folder,
    silent: createSilentRegistries(() => 0),
    signal: new AbortController().signal,
    ...parts,
  }
  return lookInto(wish, { config, architectures: ['amd64'] }, tools)
}

const systemError = (code: string): Error => Object.assign(new Error(`${code}: it failed`), { code, syscall: 'write' })

describe('looking into an image that cannot be read', () => {
  it.each<[ErrorCode, ContentResult['kind'], string | undefined]>([
    ['ImageInvalid', 'wrong', undefined],
    ['LimitExceeded', 'wrong', undefined],
    ['ModuleFileInvalid', 'wrong', undefined],
    ['ImageNotFound', 'unknown', 'ImageNotFound'],
    ['RegistryUnauthorized', 'unknown', 'RegistryUnauthorized'],
    ['RegistryUnreachable', 'unknown', 'RegistryUnreachable'],
    ['ConfigurationInvalid', 'unknown', 'RegistryUnauthorized'],
    ['Forbidden', 'unknown', 'ImageUnknown'],
    ['ServerError', 'unknown', 'ImageUnknown'],
    ['Internal', 'unknown', 'ImageUnknown'],
  ])('answers %s with %s', async (code, kind, reason) => {
    const result = await look({ openRegistry: failWith(new KmmError('this went wrong', { code })) })
    expect(result).toMatchObject({ kind, message: 'this went wrong', ...(reason === undefined ? {} : { reason }) })
  })

  it.each([new KmmError('full', { code: 'OutOfSpace' }), systemError('ENOSPC'), systemError('EDQUOT')])(
    'says of $code what is full, and what to do',
    async (error) => {
      const result = await look({ openRegistry: failWith(error) })
      expect(result).toMatchObject({
        kind: 'unknown',
        reason: 'OutOfSpace',
        message: expect.stringMatching(/temporary folder of the operator: free some/),
      })
    },
  )

  it('answers what the API server says when a pull secret cannot be read', async () => {
    const get = (): Promise<never> => Promise.reject(new KmmError('not allowed', { code: 'Forbidden' }))
    const result = await look({ client: { get } as unknown as KubeClient })
    expect(result).toEqual({ kind: 'unknown', reason: 'ImageUnknown', message: 'not allowed' })
  })

  it('answers what is wrong with the temporary folder', async () => {
    const answer = { digest, layers: [] }
    const openRegistry: LookTools['openRegistry'] = () =>
      ({
        resolveImage: () => Promise.resolve(answer),
        readConfig: () => Promise.resolve({ labels: {} }),
        close: () => Promise.resolve(),
      }) as unknown as Registry
    const result = await look({ openRegistry, temporaryFolder: join(folder, 'none') })
    expect(result).toMatchObject({
      kind: 'unknown',
      reason: 'ImageUnknown',
      message: expect.stringContaining('ENOENT'),
    })
    expect(await look({ openRegistry })).toMatchObject({ kind: 'wrong' })
    expect(readdirSync(folder)).toEqual([])
  })

  it('throws a defect, and whatever comes when it is to stop', async () => {
    await expect(look({ openRegistry: failWith(new TypeError('a defect')) })).rejects.toThrow('a defect')
    const error = new KmmError('stopped', { code: 'Aborted' })
    await expect(look({ openRegistry: failWith(error), signal: AbortSignal.abort() })).rejects.toThrow('stopped')
  })
})
