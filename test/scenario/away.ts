import type { Scene } from './scene.ts'

/** What somebody new is told while the node is away. */
const told: ReadonlySet<string | undefined> = new Set(['NodeNotSchedulable', 'NodeNotReady'])

/**
 * Takes a scene's node away, and waits until the operator has heard of it: its news of nodes may come after that of Modules. The image
 * `1` is there.
 */
export async function takeAway(scene: Scene): Promise<void> {
  await scene.node.setReady(false)
  // Somebody new, who asks for what the node got last, shows that it was seen.
  const selector = { 'scene.example/away': scene.name }
  await scene.node.label(selector)
  await scene.create(scene.image('1'), ({ metadata, spec }) => {
    metadata.name = 'witness'
    Object.assign(spec ?? {}, { selector })
    Object.assign(spec?.moduleLoader?.container.modprobe ?? {}, { moduleName: 'kmm_demo_fw' })
  })
  const { cluster, name } = scene
  await scene.until('nobody comes', () => told.has(cluster.condition('Ready', 'witness', name)?.reason))
  await scene.delete('witness')
  await scene.until('who asked is gone', () => cluster.module('witness', name) === undefined)
}
