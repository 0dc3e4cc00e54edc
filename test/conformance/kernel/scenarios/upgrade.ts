import type { Pod } from 'kubernetes-types/core/v1.js'
import { expect } from 'vitest'
import {
  getKernelModuleVersionReadyNodeLabel,
  getModuleVersionLabelName,
  getSchedulePodVersionLabelName,
} from '../../../../src/api/labels.ts'
import { hasCode } from '../../../../src/errors/error.ts'
import { nodes, pods } from '../../../../src/kube/core-resources.ts'
import { UpgradeRecord } from '../../../scenario/upgrade-record.ts'
import type { TargetNode } from '../../target.ts'
import type { Scenario } from '../scenario.ts'
import type { Story } from '../story.ts'

/** Keeps a pod that is being deleted in sight. */
const holdingFinalizer = 'scenario.example/hold'

async function ask(story: Story, node: TargetNode, version: string): Promise<void> {
  await node.label({ [getModuleVersionLabelName(story.name, 'demo')]: version })
}

async function setCordon(story: Story, node: TargetNode, cordoned: boolean): Promise<void> {
  const body = { spec: { unschedulable: cordoned ? true : null } }
  await story.target.client.patch(nodes, { name: node.name }, { type: 'merge', body })
  const isTainted = (): boolean =>
    story.view.nodes.get({ name: node.name })?.spec?.taints?.some(({ effect }) => effect === 'NoSchedule') ?? false
  await story.until('the taint of the cordon', () => isTainted() === cordoned)
}

/** The device plugin's pod for a version, once there is one. */
const findPlugin = (story: Story, version: string): Pod | undefined =>
  story.pods.find(({ metadata }) => metadata?.labels?.[getSchedulePodVersionLabelName(story.name, 'demo')] === version)

/** Its kubelet writes into the pod, too: what is read anew after a conflict is changed anew. */
async function setFinalizers(
  story: Story,
  { metadata }: Pod,
  change: (finalizers: string[]) => string[],
): Promise<void> {
  const { client } = story.target
  const key = { namespace: story.name, name: metadata?.name ?? '' }
  const isSet = async (): Promise<boolean> => {
    const present = await client.get(pods, key)
    const { resourceVersion, finalizers = [] } = present.metadata ?? {}
    const body = { metadata: { resourceVersion, finalizers: change(finalizers) } }
    return client.patch(pods, key, { type: 'merge', body }).then(
      () => true,
      (error: unknown) => {
        if (!hasCode(error, 'Conflict')) throw error
        return false
      },
    )
  }
  await story.until('the finalizers of the pod', isSet)
}

/** The module is loaded in the version, and the device plugin of that version is back. */
async function untilRunning(story: Story, node: TargetNode, version: string): Promise<void> {
  const label = getKernelModuleVersionReadyNodeLabel(story.name, 'demo')
  const isLoaded = (): boolean => story.view.nodes.get({ name: node.name })?.metadata?.labels?.[label] === version
  await story.until(`version ${version} and its pod`, () => isLoaded() && findPlugin(story, version))
  await story.untilReady()
}

const order = [
  'no schedule label',
  'no pod of 1',
  'no worker label',
  'no plan',
  'no ready label',
  'no version label',
  'no module',
  'worker label: 2',
  'plan: 2',
  'module: 2',
  'ready label: ',
  'version label: 2',
  'pod of 2: there',
]

export const upgradeScenarios: readonly Scenario[] = [
  {
    name: 'upgrade',
    title: 'upgrades a module with a device plugin in order, on a cordoned node, once the plugin has gone',
    play: async (story) => {
      const node = await story.openNode()
      const image = await story.pushDemo('2', 'prebuilt-v2')
      const devicePlugin = { container: { image: 'registry.example/plugin:1' } }
      await story.create(await story.pushDemo('1'), { version: '1' }, { devicePlugin })
      await ask(story, node, '1')
      await untilRunning(story, node, '1')
      const first = await story.untilLoaded(node, 'kmm_demo')
      const plugin = findPlugin(story, '1') ?? {}
      await setFinalizers(story, plugin, (finalizers) => [...finalizers, holdingFinalizer])
      await setCordon(story, node, true)
      const subject = { node: node.name, namespace: story.name, name: 'demo' }
      const record = await UpgradeRecord.open(story.target.client, subject)
      try {
        const kernelMappings = [{ regexp: '^.+$', containerImage: image }]
        await story.patchContainer({ version: '2', kernelMappings })
        await ask(story, node, '2')
        const isTold = (): boolean =>
          story.module?.status?.worstNodes?.some(({ reason }) => reason === 'DevicePluginStillRunning') ?? false
        await story.until('the wait on the Module', isTold)
        const isLeaving = (): boolean => findPlugin(story, '1')?.metadata?.deletionTimestamp !== undefined
        await story.until('the deletion of the plugin', isLeaving)
        expect(await story.untilLoaded(node, 'kmm_demo')).toMatchObject({ srcversion: first.srcversion })
        expect(story.words.reports).toHaveLength(1)
        await setFinalizers(story, plugin, (finalizers) => finalizers.filter((each) => each !== holdingFinalizer))
        await untilRunning(story, node, '2')
        await story.until('the whole record', () => record.holds(order))
        expect(record.take().filter((each) => each !== 'schedule label: 2')).toEqual(order)
      } finally {
        await record.stop()
      }
      expect((await story.untilLoaded(node, 'kmm_demo')).srcversion).not.toBe(first.srcversion)
      expect(story.words.reports.map(({ action }) => action)).toEqual(['load', 'unload', 'load'])
      await setCordon(story, node, false)
    },
  },
]
