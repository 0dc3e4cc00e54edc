import { afterAll, beforeAll, expect, it } from 'vitest'
import { namespaces, secrets } from '../../kube/core-resources.ts'
import { createTokenCache } from '../../oci/token-cache.ts'
import { type Sandbox, startSandbox } from '../../sandbox/sandbox.ts'
import { checkImage } from './check-image.ts'
import type { CheckResult } from './observed.ts'
import { createSilentRegistries } from './silent-registries.ts'

let sandbox: Sandbox
beforeAll(async () => {
  sandbox = await startSandbox()
  sandbox.registry.setAuth({ kind: 'basic', users: [{ username: 'reader', password: 'right' }] })
  await sandbox.client.create(namespaces, { metadata: { name: 'ns' } })
  await sandbox.client.create(secrets, { metadata: { namespace: 'ns', name: 'empty' } })
})
afterAll(() => sandbox.stop())

function check(image: string, imageRepoSecret: string): Promise<CheckResult> {
  const { client } = sandbox
  const sources = { namespace: 'ns', imageRepoSecret, serviceAccountName: 'default' }
  const tools = {
    client,
    settings: {},
    tokens: createTokenCache(),
    warn: () => undefined,
    signal: AbortSignal.timeout(10_000),
    silent: createSilentRegistries(() => 0),
  }
  return checkImage({ image, kernelVersion: '6.1.0', registryTLS: { insecure: true } }, sources, tools)
}

it('says of a registry that asks for credentials that the pull secret does not exist', async () => {
  const image = `${sandbox.registry.address}/mod:v1`
  const words = 'Secret ns/none, which the Module names, does not exist'
  expect(await check(image, 'none')).toMatchObject({
    kind: 'unknown',
    reason: 'RegistryUnauthorized',
    message: expect.stringContaining(words),
  })
  const answer = await check(image, 'empty')
  expect(answer).toMatchObject({
    reason: 'RegistryUnauthorized',
    message: expect.not.stringContaining('which the Module names'),
  })
})

it('takes what is no image name for missing, and says where to correct it', async () => {
  expect(await check('UPPER case//x', '')).toMatchObject({
    kind: 'missing',
    message: expect.stringMatching(
      /^"UPPER case\/\/x" is not an image name: .*; correct containerImage of the Module$/,
    ),
  })
})
