import type { Container, Pod } from 'kubernetes-types/core/v1.js'

/** The images that stand for KMM's own. */
export interface ProgramImages {
  workerImage: string
  builderImage: string
}

/** The container of a pod that runs a program of KMM, and whether it has a builder beside it; undefined where none does. */
export function findProgram(
  pod: Pod,
  { workerImage, builderImage }: ProgramImages,
): { container: Container; program: 'worker' | 'builder' } | undefined {
  for (const container of pod.spec?.containers ?? []) {
    if (container.image === workerImage) return { container, program: 'worker' }
    if (container.image === builderImage) return { container, program: 'builder' }
  }
  return undefined
}
