import { managedClusterModules, modules, preflightValidations } from '../../api/resources.ts'
import {
  createModuleAdmission,
  type Admit,
  admitManagedClusterModule,
  admitNamespace,
  admitPreflight,
  type ReadServerVersion,
} from '../review/admit.ts'
import { formatAdmissionReview, parseAdmissionReview } from '../review/admission-review.ts'
import { answerConversionReview } from '../review/conversion-review.ts'

/** Which objects are judged; upstream's flags `--enable-…`. */
export interface EnabledWebhooks {
  module: boolean
  namespace: boolean
  /** Their conversion too. */
  preflightValidation: boolean
  managedClusterModule: boolean
}

/** What answers at a path. */
export interface Route {
  /** Of the objects: `Module`. */
  kind: string
  /** The longest body: of an admission as controller-runtime has it; of a conversion more, as a list of objects comes at once. */
  mostBytes: number
  /** Answers a review that was parsed as JSON. Throws Invalid for what is none. */
  answer: (review: unknown) => Promise<object>
}

const mebibyte = 1024 * 1024
const admissionBytes = 7 * mebibyte
const conversionBytes = 32 * mebibyte

/** Where the API server asks; the paths are upstream's. */
export const webhookPaths = {
  module: '/validate-kmm-sigs-x-k8s-io-v1beta1-module',
  namespace: '/validate--v1-namespace',
  preflightValidation: '/validate-kmm-sigs-x-k8s-io-v1beta2-preflightvalidation',
  managedClusterModule: '/validate-hub-kmm-sigs-x-k8s-io-v1beta1-managedclustermodule',
  conversion: '/convert',
} as const

function admission(kind: string, admit: Admit): Route {
  return {
    kind,
    mostBytes: admissionBytes,
    answer: async (review) => {
      const request = parseAdmissionReview(review)
      return formatAdmissionReview(request.uid, await admit(request))
    },
  }
}

/** The routes of what is enabled, by path. */
export function createRoutes(enabled: EnabledWebhooks, readServerVersion: ReadServerVersion): Map<string, Route> {
  const conversion: Route = {
    kind: preflightValidations.kind,
    mostBytes: conversionBytes,
    answer: (review) => Promise.resolve(answerConversionReview(review)),
  }
  const routes: [isEnabled: boolean, path: string, route: Route][] = [
    [enabled.module, webhookPaths.module, admission(modules.kind, createModuleAdmission(readServerVersion))],
    [enabled.namespace, webhookPaths.namespace, admission('Namespace', admitNamespace)],
    [
      enabled.preflightValidation,
      webhookPaths.preflightValidation,
      admission(preflightValidations.kind, admitPreflight),
    ],
    [enabled.preflightValidation, webhookPaths.conversion, conversion],
    [
      enabled.managedClusterModule,
      webhookPaths.managedClusterModule,
      admission(managedClusterModules.kind, admitManagedClusterModule),
    ],
  ]
  return new Map(routes.filter(([isEnabled]) => isEnabled).map(([, path, route]) => [path, route]))
}
