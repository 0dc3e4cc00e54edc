/**
 * Measures preflights: three of them at once over many Modules, whose images exist, then a restart of the operator.
 * `npm run bench:preflight -- [--modules N] [--namespaces N] [--cpu-prof FOLDER] [--json]`
 */
import { parseArgs } from 'node:util'
import type { Module } from '../../src/api/module.ts'
import type { PreflightValidation } from '../../src/api/preflight-validation.ts'
import { modules, preflightValidations } from '../../src/api/resources.ts'
import { readModulesTree } from '../../src/cli/demo/modules-image.ts'
import { namespaces } from '../../src/kube/core-resources.ts'
import { defineResource } from '../../src/kube/resource.ts'
import { buildImage } from '../../src/oci/image-builder.ts'
import { pushImage } from '../../src/oci/push.ts'
import { parseReference } from '../../src/oci/reference.ts'
import { createRegistry } from '../../src/oci/registry.ts'
import type { EmbeddedSandbox } from '../../src/sandbox/sandbox.ts'
import { buildPrograms } from '../../scripts/programs.ts'
import { seconds } from './figures.ts'
import { type OperatorProcess, startOperatorProcess } from './operator-process.ts'
import { cpuBetween } from './process-usage.ts'
import { listOperatorWrites, operatorNamespace, startCluster, until, untilQuiet } from './sandbox-engine.ts'

const kernels = ['6.1.0-55-amd64', '6.1.0-56-amd64']
/** The last two are for one kernel. */
const preflights = [kernels[0], kernels[1], kernels[1]] as const
const moduleResource = defineResource<Module>(modules)
const preflightResource = defineResource<PreflightValidation>(preflightValidations)
const quietMs = 3_000
const timeoutMs = 1_200_000

const { values } = parseArgs({
  options: {
    modules: { type: 'string', default: '300' },
    namespaces: { type: 'string', default: '10' },
    'cpu-prof': { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})
const [moduleCount, namespaceCount] = [Number(values.modules), Number(values.namespaces)]
const say = (text: string): void => void process.stderr.write(`… ${text}\n`)

/** A Module that no node wants, each with images in a repository of its own. */
async function createModules(sandbox: EmbeddedSandbox): Promise<void> {
  for (let index = 0; index < namespaceCount; index++)
    await sandbox.client.create(namespaces, { metadata: { name: `bench-${index}` } })
  const registry = createRegistry({ settings: {}, tls: { insecure: true, insecureSkipTLSVerify: false } })
  const images = await Promise.all(
    kernels.map(async (kernel) =>
      buildImage({ files: await readModulesTree(`examples/kmod/prebuilt/${kernel}`, kernel) }),
    ),
  )
  for (let index = 0; index < moduleCount; index++) {
    const repository = `${sandbox.registry.address}/module-${index}`
    for (const [at, kernel] of kernels.entries()) {
      const image = images[at]
      if (image) await pushImage(registry, parseReference(`${repository}:${kernel}`), image)
    }
    await sandbox.client.create(moduleResource, {
      apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
      kind: 'Module',
      metadata: { namespace: `bench-${index % namespaceCount}`, name: `module-${index}` },
      spec: {
        selector: { nobody: '' },
        moduleLoader: {
          container: {
            modprobe: { moduleName: 'kmm_demo' },
            registryTLS: { insecure: true },
            kernelMappings: [{ regexp: '^.+$', containerImage: `${repository}:\${KERNEL_FULL_VERSION}` }],
          },
        },
      },
    })
  }
  await registry.close()
}

const nameOf = (index: number): string => `next-${index}`

async function createPreflights(sandbox: EmbeddedSandbox): Promise<void> {
  for (const [index, kernelVersion = ''] of preflights.entries())
    await sandbox.client.create(preflightResource, {
      apiVersion: 'kmm.sigs.x-k8s.io/v1beta2',
      kind: 'PreflightValidation',
      metadata: { name: nameOf(index) },
      spec: { kernelVersion },
    })
}

function findStatus({ api }: EmbeddedSandbox, index: number): NonNullable<PreflightValidation['status']> {
  const found = api.store.find(preflightValidations, { name: nameOf(index) }) as PreflightValidation | undefined
  return found?.status ?? {}
}

const countDone = (sandbox: EmbeddedSandbox, index: number): number =>
  findStatus(sandbox, index).modules?.filter(({ verificationStatus }) => verificationStatus === 'Success').length ?? 0

function count(list: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const each of list) counts[each] = (counts[each] ?? 0) + 1
  return counts
}

/** What happened between two moments. */
function watchWork(sandbox: EmbeddedSandbox, operator: OperatorProcess) {
  const [writes, requests, before] = [sandbox.writes.length, sandbox.registry.requests.length, operator.usage()]
  const startedMs = performance.now()
  return (): Record<string, unknown> => {
    const after = operator.usage()
    return {
      seconds: seconds(performance.now() - startedMs),
      cpuSeconds: cpuBetween(before, after),
      peakMb: after.peakMb,
      writes: count(listOperatorWrites(sandbox, writes)),
      requests: count(sandbox.registry.requests.slice(requests).map(({ method, kind }) => `${method} ${kind}`)),
    }
  }
}

await buildPrograms()
const sandbox = await startCluster(0, 'instant')
const folder = values['cpu-prof']
const nodeOptions = folder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${folder}`]
const { kubeconfigPath, workerImage } = sandbox
const start = (): Promise<OperatorProcess> =>
  startOperatorProcess({ kubeconfigPath, workerImage, namespace: operatorNamespace, nodeOptions })
const figures: Record<string, Record<string, unknown>> = {}
const complaints: string[] = []
try {
  say(`${moduleCount} Modules in ${namespaceCount} namespaces`)
  await createModules(sandbox)
  const operator = await start()
  await untilQuiet(sandbox, quietMs)
  say('three preflights')
  const done = watchWork(sandbox, operator)
  await createPreflights(sandbox)
  await until(
    'all are verified',
    () => preflights.every((_, index) => countDone(sandbox, index) === moduleCount),
    timeoutMs,
  )
  figures['verify'] = done()
  await untilQuiet(sandbox, quietMs)
  say(`a status has ${Buffer.byteLength(JSON.stringify(findStatus(sandbox, 0)))} bytes`)
  complaints.push(...operator.complaints)
  await operator.stop()
  say('restart')
  const next = await start()
  const restarted = watchWork(sandbox, next)
  await new Promise((resolve) => setTimeout(resolve, 10_000))
  await untilQuiet(sandbox, quietMs)
  figures['restart'] = restarted()
  complaints.push(...next.complaints)
  await next.stop()
} finally {
  await sandbox.stop()
}
for (const [name, each] of Object.entries(figures)) process.stdout.write(`${name} ${JSON.stringify(each, null, 2)}\n`)
for (const line of complaints.slice(0, 20)) process.stdout.write(`the operator complained: ${line}\n`)
if (values.json) process.stdout.write(`${JSON.stringify(figures)}\n`)
