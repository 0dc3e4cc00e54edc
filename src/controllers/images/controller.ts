import { moduleNameLabel, resourceTypeLabel } from '../../api/labels.ts'
import { formatKey, keyOf, parseKey } from '../../kube/object.ts'
import { imagesByPreflight, podsByNode } from '../cluster/caches.ts'
import type { Controller } from '../cluster/controller.ts'
import { findModule, findPreflight } from '../cluster/images-config.ts'
import type { PodView } from '../cluster/pod-view.ts'
import type { Action } from './action.ts'
import { decide } from './decide.ts'
import { execute, type ImagesTools } from './execute.ts'
import { createKeyedLock } from '../../runtime/keyed-lock.ts'
import { isImageDoubted, listRefused, observe } from './observe.ts'
import { createSilentRegistries } from './silent-registries.ts'
import { type Facts, forget, type ImagesSettings, type ObservedImages } from './observed.ts'

/** The ModuleImagesConfig of a build or sign pod, which has the name that its label says. */
function ownerKeyOf(pod: PodView | undefined): string | undefined {
  if (pod?.labels[resourceTypeLabel] === undefined) return undefined
  return `${pod.namespace}/${pod.labels[moduleNameLabel] ?? ''}`
}

type Watcher = Controller<ObservedImages, Action>['watch']

/** Calls `add` with the ModuleImagesConfigs that a change concerns. */
function watch({ caches, facts }: Pick<ImagesTools, 'caches' | 'facts'>, add: Parameters<Watcher>[0]): void {
  caches.moduleImagesConfigs.onChange(({ key, after }) => {
    if (after === undefined) facts.delete(key)
    add(key)
  })
  caches.modules.onChange(({ key, before, after }) => {
    if (isImageDoubted(before) !== isImageDoubted(after)) add(key)
  })
  caches.preflightValidations.onChange(({ before, after }) => {
    const [was, is] = [listRefused(before), listRefused(after)]
    if (was.size === 0 && is.size === 0) return
    for (const config of caches.moduleImagesConfigs.byIndex(imagesByPreflight, after?.metadata.uid ?? '')) {
      const module = formatKey(findModule(config))
      if (was.has(module) !== is.has(module)) add(keyOf(config))
    }
  })
  caches.pods.onChange(({ before, after }) => {
    const key = ownerKeyOf(after) ?? ownerKeyOf(before)
    if (key !== undefined) add(key)
  })
  // A pod is lost with its node, long before anybody deletes it.
  caches.nodes.onChange(({ key, before, after }) => {
    if (after !== undefined && before?.ready === after.ready) return
    for (const owner of caches.pods.byIndex(podsByNode, key).map(ownerKeyOf)) if (owner !== undefined) add(owner)
  })
}

/** True for the ModuleImagesConfig of a preflight. */
function isOfPreflight(key: string, { moduleImagesConfigs }: ImagesTools['caches']): boolean {
  const config = moduleImagesConfigs.get(parseKey(key))
  return config !== undefined && findPreflight(config) !== undefined
}

/**
 * Two controllers that find out whether the images of each ModuleImagesConfig exist, and build and sign those that do not; their key is the
 * ModuleImagesConfig. The second is for those of preflights: a registry that does not answer holds a worker for minutes, and what nodes wait
 * for is not to stand behind what somebody asks about all Modules. A name may go from the one to the other, so they share a lock.
 */
export function createImagesControllers(
  tools: Omit<ImagesTools, 'wake' | 'facts' | 'creating' | 'silent' | 'inspecting' | 'making'> & {
    startedAtMs: number
  },
  settings: ImagesSettings,
): [own: Controller<ObservedImages, Action>, ofPreflights: Controller<ObservedImages, Action>] {
  const wakers: ((key: string) => void)[] = []
  const wake = (key: string): void => {
    for (const each of wakers) each(key)
  }
  const { caches, startedAtMs, now } = tools
  const facts = new Map<string, Facts>()
  const creating = new Set<string>()
  const [silent, inspecting, making] = [createSilentRegistries(now), createKeyedLock(), createKeyedLock()]
  const shared = { ...tools, facts, creating, silent, inspecting, making, wake }
  const createOne = (name: string, ofPreflights: boolean): Controller<ObservedImages, Action> => ({
    reconciler: {
      name,
      observe: (key) => observe(key, { caches, facts, creating, startedAtMs, now }),
      decide(observed, nowMs) {
        forget(observed.facts, observed, nowMs)
        return decide(observed, nowMs, settings)
      },
      execute: (action, context) => execute(action, shared, context),
    },
    concurrency: 8,
    watch(add) {
      const addMine = (key: string): void => {
        if (isOfPreflight(key, caches) === ofPreflights) add(key)
      }
      wakers.push(addMine)
      watch(shared, addMine)
    },
  })
  return [createOne('images', false), createOne('preflight-images', true)]
}
