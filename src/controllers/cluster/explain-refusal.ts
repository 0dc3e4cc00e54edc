import { describeError } from '../../errors/error.ts'

/** Why the API server refused a pod of KMM, and what the administrator can do about it. `quotaAdvice` says how much more it takes. */
export function explainRefusal(namespace: string, error: unknown, quotaAdvice: string): string {
  const text = describeError(error)
  if (/PodSecurity/.test(text))
    return `${text}; allow privileged pods in the namespace: kubectl label --overwrite ns "${namespace}" pod-security.kubernetes.io/enforce=privileged`
  if (/serviceaccount/i.test(text))
    return `${text}; create the service account, or name another in spec.moduleLoader.serviceAccountName`
  if (/quota/i.test(text)) return `${text}; raise the quota of namespace ${namespace} ${quotaAdvice}`
  return text
}
