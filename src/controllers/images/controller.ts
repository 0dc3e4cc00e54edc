import type { ImageSource } from '../../api/operator-config.ts'
import type { Controller } from '../cluster/controller.ts'
import { type Action, decide } from './decide.ts'
import { execute, type ImagesTools } from './execute.ts'
import { type ImagesSources, isImageDoubted, observe } from './observe.ts'
import type { ObservedImages } from './observed.ts'

/** Finds out whether the images of each ModuleImagesConfig exist; its key is the ModuleImagesConfig. */
export function createImagesController(
  sources: ImagesSources,
  tools: Omit<ImagesTools, 'wake'>,
  unverifiedAfterMs: number,
  imageSource: ImageSource = 'worker',
): Controller<ObservedImages, Action> {
  const wakers: ((key: string) => void)[] = []
  const wake = (key: string): void => {
    for (const each of wakers) each(key)
  }
  return {
    reconciler: {
      name: 'images',
      observe: (key) => observe(key, sources),
      decide: (observed, nowMs) => decide(observed, nowMs, unverifiedAfterMs, imageSource),
      execute: (action, context) => execute(action, { ...tools, wake }, context),
    },
    concurrency: 8,
    watch(add) {
      wakers.push(add)
      sources.caches.moduleImagesConfigs.onChange(({ key, after }) => {
        if (after === undefined) tools.checks.delete(key)
        add(key)
      })
      sources.caches.modules.onChange(({ key, before, after }) => {
        if (isImageDoubted(before) !== isImageDoubted(after)) add(key)
      })
    },
  }
}
