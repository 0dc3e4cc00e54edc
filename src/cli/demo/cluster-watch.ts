import type { Event as CoreEvent, Node } from 'kubernetes-types/core/v1.js'
import type { Module } from '../../api/module.ts'
import type { NodeModulesConfig } from '../../api/node-modules-config.ts'
import { modules, nodeModulesConfigs } from '../../api/resources.ts'
import { KmmError } from '../../errors/error.ts'
import type { KubeClient } from '../../kube/client.ts'
import { events, nodes } from '../../kube/core-resources.ts'
import { defineResource } from '../../kube/resource.ts'
import { createWatchCache } from '../../kube/watch-cache.ts'

/** What the demo looks at, as kubectl would. */
export interface ClusterWatch {
  listNodes(): readonly Node[]
  findConfig(node: string): NodeModulesConfig | undefined
  findModule(key: { namespace: string; name: string }): Module | undefined
  listEvents(): readonly CoreEvent[]
  onChange(listener: () => void): void
  /** Resolves when `holds` answers true, looking again at each change; rejects after the time limit with `what`. */
  until(what: string, holds: () => boolean, timeoutMs: number): Promise<void>
  stop(): Promise<void>
}

const keep = <T>(object: T): T => object

/** Watches nodes, Modules, NodeModulesConfigs and Events. */
export async function watchCluster(client: KubeClient, onError: (error: unknown) => void): Promise<ClusterWatch> {
  const caches = {
    nodes: createWatchCache({ client, onError, resource: nodes, trim: keep<Node> }),
    modules: createWatchCache({ client, onError, resource: defineResource<Module>(modules), trim: keep<Module> }),
    configs: createWatchCache({
      client,
      onError,
      resource: defineResource<NodeModulesConfig>(nodeModulesConfigs),
      trim: keep<NodeModulesConfig>,
    }),
    events: createWatchCache({ client, onError, resource: events, trim: keep<CoreEvent> }),
  }
  const all = Object.values(caches)
  const listeners = new Set<() => void>()
  for (const cache of all)
    cache.onChange(() => {
      for (const listener of listeners) listener()
    })
  for (const cache of all) cache.start()
  await Promise.all(all.map((cache) => cache.whenSynced()))
  return {
    listNodes: () => caches.nodes.list(),
    findConfig: (name) => caches.configs.get({ name }),
    findModule: (key) => caches.modules.get(key),
    listEvents: () => caches.events.list(),
    onChange: (listener) => void listeners.add(listener),
    until: (what, holds, timeoutMs) => untilHolds(listeners, { what, holds, timeoutMs }),
    stop: async () => void (await Promise.all(all.map((cache) => cache.stop()))),
  }
}

interface Expectation {
  what: string
  holds: () => boolean
  timeoutMs: number
}

function untilHolds(listeners: Set<() => void>, { what, holds, timeoutMs }: Expectation): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (error?: Error): void => {
      clearTimeout(timer)
      listeners.delete(look)
      if (error) reject(error)
      else resolve()
    }
    const look = (): void => {
      if (holds()) finish()
    }
    const timer = setTimeout(
      () => finish(new KmmError(`after ${timeoutMs / 1000} s still not true: ${what}`, { code: 'TimedOut' })),
      timeoutMs,
    )
    // Whoever gives the story up does not wait for this.
    timer.unref()
    listeners.add(look)
    look()
  })
}
