import type { Volume, VolumeMount } from 'kubernetes-types/core/v1.js'
import type { LocalObjectReference } from '../../../api/module.ts'

/** The names of the secrets that a build sees, each once (upstream made a volume of each, twice where it was named twice). */
export function listBuildSecrets(secrets: readonly LocalObjectReference[]): string[] {
  return [...new Set(secrets.flatMap(({ name = '' }) => (name === '' ? [] : [name])))].toSorted()
}

/** Volumes and mounts for a build's secrets, each at `/run/secrets/<name>`, whatever else the pod mounts. */
export function mountSecrets(secrets: readonly LocalObjectReference[]): { volumes: Volume[]; mounts: VolumeMount[] } {
  const names = listBuildSecrets(secrets)
  return {
    // A secret's name may be longer than that of a volume, and have dots in it.
    volumes: names.map((secretName, index) => ({ name: `build-secret-${index}`, secret: { secretName } })),
    mounts: names.map((name, index) => ({
      name: `build-secret-${index}`,
      mountPath: `/run/secrets/${name}`,
      readOnly: true,
    })),
  }
}
