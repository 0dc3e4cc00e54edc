import type { Pod } from 'kubernetes-types/core/v1.js'
import { resourceTypeLabel, targetKernelLabel } from '../../../src/api/labels.ts'
import type { View } from '../../scenario/view.ts'

/** A pod that builds or signs an image, as it was seen last. */
export interface SeenJob {
  type: 'BuildImage' | 'SignImage'
  /** The kernel that the image is for, as a label has it. */
  kernel: string
  phase: string
  name: string
  isGone: boolean
  /** By the clock of its node, in whole seconds; undefined while its container runs. */
  finishedAtMs: number | undefined
  /** By the clock of this process; undefined while it is there. */
  goneAtMs: number | undefined
}

const readType = ({ metadata }: Pod): SeenJob['type'] | undefined => {
  const label = metadata?.labels?.[resourceTypeLabel]
  return label === 'BuildImage' || label === 'SignImage' ? label : undefined
}

function describe(pod: Pod, type: SeenJob['type']): SeenJob {
  const [container] = pod.status?.containerStatuses ?? []
  const ended = container?.state?.terminated
  const finishedAt = ended?.finishedAt
  return {
    type,
    kernel: pod.metadata?.labels?.[targetKernelLabel] ?? '',
    // The operator reads a result from the container, seconds before the pod's phase says it.
    phase: ended === undefined ? (pod.status?.phase ?? '') : ended.exitCode === 0 ? 'Succeeded' : 'Failed',
    name: pod.metadata?.name ?? '',
    isGone: false,
    finishedAtMs: finishedAt === undefined ? undefined : Date.parse(finishedAt),
    goneAtMs: undefined,
  }
}

/** The pods that were made in a namespace to build and to sign, those that are gone included. */
export class Jobs {
  readonly #byUid = new Map<string, SeenJob>()
  readonly #namespace: string

  constructor(namespace: string) {
    this.#namespace = namespace
  }

  /** Begins to look. */
  listen({ pods }: View): void {
    pods.onChange(({ before, after }) => {
      const pod = after ?? before
      if (pod?.metadata?.namespace !== this.#namespace) return
      const type = readType(pod)
      if (type === undefined) return
      const seen = describe(pod, type)
      this.#byUid.set(pod.metadata.uid ?? '', after ? seen : { ...seen, isGone: true, goneAtMs: Date.now() })
    })
  }

  /** In the order in which they were made. */
  get all(): SeenJob[] {
    return [...this.#byUid.values()]
  }

  /** What was done and what came of it, as `BuildImage Succeeded`, in the order in which the pods were made. */
  get told(): string[] {
    return this.all.map(({ type, phase }) => `${type} ${phase}`)
  }

  get areGone(): boolean {
    return this.all.every(({ isGone }) => isGone)
  }
}
