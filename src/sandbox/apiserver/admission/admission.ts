import type { AdmissionPlugin } from '../hooks.ts'
import type { Store } from '../store.ts'
import type { WebhookOptions } from '../webhook-call.ts'
import { dropImageVolumes } from './image-volumes.ts'
import { createNamespaceLifecycle } from './namespace-lifecycle.ts'
import { createPriorityAdmission, defaultTolerations, nodeTaint } from './pod-defaults.ts'
import { createPodSecurity } from './pod-security.ts'
import { createResourceQuotaAdmission } from './resource-quota.ts'
import { createServiceAccountAdmission } from './service-account.ts'
import { createValidatingWebhooks } from './webhook.ts'

/** What admission needs from outside. */
export interface AdmissionOptions extends WebhookOptions {
  /** Five random characters for the names of token volumes. */
  generateSuffix: () => string
  /** False: image volumes are left out of pods without a word, as by servers on which they are off. Default true. */
  imageVolumes?: boolean
}

/** The sandbox's admission plugins, in the order in which a real API server runs them. */
export function createAdmission(store: Store, options: AdmissionOptions): AdmissionPlugin[] {
  return [
    createNamespaceLifecycle(store),
    ...(options.imageVolumes === false ? [dropImageVolumes] : []),
    createServiceAccountAdmission(store, options.generateSuffix),
    nodeTaint,
    createPriorityAdmission(store),
    defaultTolerations,
    createPodSecurity(store),
    createValidatingWebhooks(store, options),
    // Last and synchronous: what it counts is what is stored when the object is.
    createResourceQuotaAdmission(store),
  ]
}
