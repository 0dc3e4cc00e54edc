import type { Pod } from 'kubernetes-types/core/v1.js'

/** What a pod does on a virtual node that does not run its program. */
export type PodBehaviour =
  /** Runs, and is ready after a while; the default, at once. */
  | { do: 'ready'; afterMs?: number }
  /** Runs and never becomes ready. */
  | { do: 'unready' }
  /** Its containers exit with an error (default status 1), again after every restart. */
  | { do: 'crash'; afterMs?: number; exitCode?: number; message?: string }
  /** Its containers exit with status 0, at once unless `when` is given: then as soon as that is fulfilled. */
  | { do: 'succeed'; when?: Promise<unknown>; message?: string }
  /** Ends at once with the report of a worker that found nothing to do; its node's kernel stays as it is. */
  | { do: 'report' }
  /** Stays in ContainerCreating, as while a pull or a mount hangs. */
  | { do: 'hang' }
  /** ErrImagePull and ImagePullBackOff. */
  | { do: 'imagePullError'; message?: string }

/** Which pods a rule is for; every field given must match. `image` and `name` are regular expressions. */
export interface PodMatch {
  image?: string
  name?: string
  namespace?: string
  labels?: Readonly<Record<string, string>>
}

/** A rule for pods. It is looked up whenever a pod starts or is tried again, so lifting a rule lets pods recover. */
export interface PodRule {
  match: PodMatch
  behaviour?: PodBehaviour
  /** How long its containers take to end after SIGTERM; the grace period of the pod bounds it. */
  terminationMs?: number
}

const matchesText = (pattern: string | undefined, texts: readonly (string | undefined)[]): boolean =>
  pattern === undefined || texts.some((text) => text !== undefined && new RegExp(pattern).test(text))

const imagesOf = ({ spec }: Pod): (string | undefined)[] =>
  [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].map((container) => container.image)

function matches({ image, name, namespace, labels = {} }: PodMatch, pod: Pod): boolean {
  const { metadata = {} } = pod
  const inNamespace = namespace === undefined || namespace === metadata.namespace
  const labelled = Object.entries(labels).every(([key, value]) => metadata.labels?.[key] === value)
  return inNamespace && labelled && matchesText(image, imagesOf(pod)) && matchesText(name, [metadata.name])
}

/** The rules for the pods of all virtual nodes of a sandbox; what was added last counts first. */
export class PodRules {
  #rules: PodRule[]

  constructor(rules: readonly PodRule[] = []) {
    this.#rules = [...rules]
  }

  /** Adds a rule; the answer lifts it. */
  add(rule: PodRule): () => void {
    this.#rules.unshift(rule)
    return () => {
      this.#rules = this.#rules.filter((each) => each !== rule)
    }
  }

  /** What a pod is to do; undefined when no rule says, and then a worker pod runs the worker and others become ready. */
  behaviourOf(pod: Pod): PodBehaviour | undefined {
    return this.#rules.find((rule) => rule.behaviour !== undefined && matches(rule.match, pod))?.behaviour
  }

  terminationMsOf(pod: Pod): number {
    return this.#rules.find((rule) => rule.terminationMs !== undefined && matches(rule.match, pod))?.terminationMs ?? 0
  }
}
