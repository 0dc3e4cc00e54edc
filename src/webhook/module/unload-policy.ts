import { findUnknownPolicy, unloadPolicies, unloadPolicyAnnotation } from '../../api/annotations.ts'
import { quote } from './finding.ts'

interface Annotated {
  annotations?: Record<string, string>
}

/** A policy that is none counts as the default; told when it is written, not at each update afterwards. */
export function warnOfUnloadPolicy(metadata: Annotated, old?: Annotated): string[] {
  const value = findUnknownPolicy(metadata.annotations)
  if (value === undefined || value === old?.annotations?.[unloadPolicyAnnotation]) return []
  const [usual, ...others] = unloadPolicies
  const choice = `write ${usual} (which counts now), ${others.join(' or ')}`
  return [`metadata.annotations[${unloadPolicyAnnotation}]: ${quote(value)} is no unload policy; ${choice}`]
}
