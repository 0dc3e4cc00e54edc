import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CustomResourceDefinition } from 'kubernetes-types/apiextensions/v1.js'
import { parseAllDocuments } from 'yaml'
import { hasCode, KmmError } from '../errors/error.ts'
import type { KubeClient } from '../kube/client.ts'
import { realClock, sleep } from '../kube/clock.ts'
import { customResourceDefinitions, namespaces } from '../kube/core-resources.ts'

const firstNamespaces = ['default', 'kube-system', 'kube-public', 'kube-node-lease', 'kmm-operator-system']
const pollMs = 50
const timeoutMs = 30_000

async function createMissing(work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!hasCode(error, 'AlreadyExists')) throw error
  }
}

async function readDefinitions(folder: string): Promise<CustomResourceDefinition[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.yaml')).sort()
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')))
  return texts.flatMap((text) => parseAllDocuments(text).map((document) => document.toJS() as CustomResourceDefinition))
}

/** True once objects of the definition can be listed in every version. */
async function isServed(client: KubeClient, { metadata, spec }: CustomResourceDefinition): Promise<boolean> {
  const { status } = await client.get(customResourceDefinitions, { name: metadata?.name ?? '' })
  if (!status?.conditions?.some((each) => each.type === 'Established' && each.status === 'True')) return false
  const served = spec.versions.filter((version) => version.served)
  const lists = served.map(({ name }) => client.getRaw(`/apis/${spec.group}/${name}/${spec.names.plural}?limit=1`))
  return Promise.all(lists).then(
    () => true,
    (error: unknown) => {
      if (hasCode(error, 'NotFound')) return false
      throw error
    },
  )
}

async function untilServed(client: KubeClient, definition: CustomResourceDefinition): Promise<void> {
  const deadlineMs = realClock.monotonic() + timeoutMs
  while (!(await isServed(client, definition))) {
    if (realClock.monotonic() > deadlineMs)
      throw new KmmError(`${definition.spec.names.kind} is not served ${timeoutMs / 1_000} s after its definition`, {
        code: 'TimedOut',
      })
    await sleep(realClock, pollMs)
  }
}

/** Puts into a new cluster what is in every one, and the definitions of KMM's resources; they are served afterwards. */
export async function furnish(client: KubeClient, root: string): Promise<void> {
  const wanted = await readDefinitions(join(root, 'deploy/crds'))
  await Promise.all([
    ...firstNamespaces.map((name) => createMissing(client.create(namespaces, { metadata: { name } }))),
    ...wanted.map(async (definition) => {
      await createMissing(client.create(customResourceDefinitions, definition))
      await untilServed(client, definition)
    }),
  ])
}
