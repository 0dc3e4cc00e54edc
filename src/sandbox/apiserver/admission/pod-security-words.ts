import type { Container } from 'kubernetes-types/core/v1.js'
import { listContainers, type PodSpec } from './pod-shape.ts'

/** One way in which a pod breaks a Pod Security level: the short reason, and the detail that follows it in brackets. */
export interface Violation {
  reason: string
  detail: string
}

/** Looks at a pod; undefined means that it passes. */
export type PodSecurityCheck = (spec: PodSpec, annotations: Readonly<Record<string, string>>) => Violation | undefined

/** `"a", "b"`. */
export function joinQuoted(items: readonly string[]): string {
  return items.map((item) => `"${item}"`).join(', ')
}

/** The singular for exactly one, else the plural. */
export function pluralize(singular: string, plural: string, count: number): string {
  return count === 1 ? singular : plural
}

/** `container "a"` or `containers "a", "b"`. */
export function nameContainers(names: readonly string[]): string {
  return `${pluralize('container', 'containers', names.length)} ${joinQuoted(names)}`
}

/** The names of the containers for which `isBad` holds. */
export function namesOf(spec: PodSpec, isBad: (container: Container) => boolean): string[] {
  return listContainers(spec)
    .filter(isBad)
    .map((container) => container.name)
}

/** Distinct values in byte order. */
export function sortedSet(values: Iterable<string>): string[] {
  return [...new Set(values)].sort()
}

/** `pod`, the containers, or `pod and container "a"`: who set a forbidden value. */
export function nameSetters(podIsBad: boolean, containers: readonly string[]): string {
  const setters = [...(podIsBad ? ['pod'] : []), ...(containers.length > 0 ? [nameContainers(containers)] : [])]
  return setters.join(' and ')
}
