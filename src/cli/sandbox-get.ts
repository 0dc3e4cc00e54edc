import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { KmmError } from '../errors/error.ts'
import { collectionPath } from '../kube/api-path.ts'
import type { KubeClient } from '../kube/client.ts'
import { createKubeClient } from '../kube/http-client.ts'
import { type Environment, type KubeconfigSource, loadKubeconfig } from '../kube/kubeconfig.ts'
import type { RunPlugin } from '../kube/plugin-process.ts'
import { findResource } from './api-resources.ts'
import { formatTable, type Table } from './table.ts'

interface Flags {
  namespace?: string
  allNamespaces?: boolean
  kubeconfig?: string
}

/** What the command works with. */
export interface SandboxGetOptions {
  write: (line: string) => void
  environment: Environment
  /** Where sandboxes keep their folders. */
  temporaryFolder: string
  /** Starts credential plugins. */
  runPlugin?: RunPlugin
}

/** The kubeconfig of the sandbox that was started last by this user and is still there; undefined when none is. */
export function findSandboxKubeconfig(temporaryFolder: string): string | undefined {
  const uid = process.getuid?.()
  const paths = readdirSync(temporaryFolder)
    .filter((name) => name.startsWith('kmm-sandbox-'))
    .map((name) => join(temporaryFolder, name, 'kubeconfig'))
    .filter((path) => existsSync(path) && (uid === undefined || statSync(path).uid === uid))
  const byAge = paths
    .map((path) => ({ path, startedMs: statSync(path).mtimeMs }))
    .sort((a, b) => b.startedMs - a.startedMs)
  return byAge[0]?.path
}

function chooseKubeconfig({ kubeconfig }: Flags, options: SandboxGetOptions): KubeconfigSource {
  const { environment, temporaryFolder } = options
  const isListed = (environment['KUBECONFIG'] ?? '') !== ''
  if (kubeconfig === undefined && isListed) return { environment }
  const path = kubeconfig ?? findSandboxKubeconfig(temporaryFolder)
  if (path !== undefined && path !== '') return { path, environment }
  throw new KmmError('no sandbox is up: start one with kmm sandbox up, or name its file with --kubeconfig', {
    code: 'ConfigurationInvalid',
    fate: 'terminal',
  })
}

interface TableWithObjects extends Table {
  rows: { cells: unknown[]; object?: { metadata?: { namespace?: string } } }[]
}

/** Puts the namespace in front, as kubectl does where objects of several are shown. */
function addNamespaces({ columnDefinitions, rows }: TableWithObjects): Table {
  return {
    columnDefinitions: [{ name: 'Namespace' }, ...columnDefinitions],
    rows: rows.map(({ cells, object }) => ({ cells: [object?.metadata?.namespace ?? '', ...cells] })),
  }
}

const tableForm = 'application/json;as=Table;g=meta.k8s.io;v=v1'

/** Prints objects of a kind in the Table form that the API server gives, as `kubectl get` does. */
export async function printResource(
  client: KubeClient,
  called: { resource: string; name?: string },
  flags: Pick<Flags, 'namespace' | 'allNamespaces'>,
): Promise<string> {
  const resource = await findResource(client, called.resource)
  const namespace = flags.namespace ?? (flags.allNamespaces === true ? undefined : 'default')
  const fieldSelector = called.name === undefined ? {} : { fieldSelector: `metadata.name=${called.name}` }
  const path = collectionPath(resource, namespace, fieldSelector)
  const table = JSON.parse(await client.getRaw(path, undefined, tableForm)) as TableWithObjects
  if (table.rows.length > 0)
    return formatTable(resource.namespaced && namespace === undefined ? addNamespaces(table) : table)
  if (called.name !== undefined)
    throw new KmmError(`${resource.plural} "${called.name}" not found`, { code: 'NotFound', fate: 'terminal' })
  const place = resource.namespaced && namespace !== undefined ? ` in ${namespace} namespace` : ''
  return `No resources found${place}.`
}

/** `kmm sandbox get RESOURCE [NAME]`: what `kubectl get` prints, for those without kubectl. */
export function createSandboxGetCommand(options: SandboxGetOptions): Command {
  return new Command('get')
    .description('print objects of a sandbox that is up, as kubectl get does')
    .argument('<resource>', 'such as nodes, pods, modules, nodemodulesconfigs')
    .argument('[name]', 'one object')
    .option('-n, --namespace <namespace>', 'namespace to look into; default is "default"')
    .option('-A, --all-namespaces', 'look into all namespaces')
    .option('--kubeconfig <path>', 'default KUBECONFIG, else the sandbox that was started last')
    .action(async (resource: string, name: string | undefined, flags: Flags) => {
      const connection = loadKubeconfig(chooseKubeconfig(flags, options))
      const { runPlugin } = options
      const client = createKubeClient({ connection, userAgent: 'kmm-cli/1', ...(runPlugin ? { runPlugin } : {}) })
      try {
        options.write(await printResource(client, { resource, ...(name === undefined ? {} : { name }) }, flags))
      } finally {
        await client.close()
      }
    })
}
