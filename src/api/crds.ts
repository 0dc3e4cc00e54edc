import { managedClusterModuleFields } from './managed-cluster-module.ts'
import { moduleFields } from './module.ts'
import { type ImagePhase, moduleImagesConfigFields } from './module-images-config.ts'
import { nodeModulesConfigFields } from './node-modules-config.ts'
import { preflightValidationFields, preflightValidationV1beta1Fields } from './preflight-validation.ts'
import {
  managedClusterModules,
  moduleImagesConfigs,
  modules,
  nodeModulesConfigs,
  preflightValidations,
} from './resources.ts'
import { type CustomResourceDefinition, defineCrd, defineVersion, type PrinterColumn } from './schema/crd.ts'

const age: PrinterColumn = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' }

const readyCondition = '.status.conditions[?(@.type=="Ready")]'

const moduleColumns: PrinterColumn[] = [
  { name: 'Ready', type: 'string', jsonPath: `${readyCondition}.status` },
  {
    name: 'Loaded',
    type: 'integer',
    jsonPath: '.status.moduleLoader.availableNumber',
    description: 'Nodes where the module is loaded',
  },
  {
    name: 'Desired',
    type: 'integer',
    jsonPath: '.status.moduleLoader.desiredNumber',
    description: 'Nodes where the module should be loaded',
  },
  { name: 'Reason', type: 'string', jsonPath: `${readyCondition}.reason` },
  {
    name: 'Images',
    type: 'string',
    jsonPath: '.status.conditions[?(@.type=="ImagesReady")].reason',
    description: 'What is the case with the images',
    priority: 1,
  },
  {
    name: 'Device plugins',
    type: 'integer',
    jsonPath: '.status.devicePlugin.availableNumber',
    description: 'Nodes where the device plugin runs',
    priority: 1,
  },
  { name: 'Message', type: 'string', jsonPath: `${readyCondition}.message`, priority: 1 },
  age,
]

const moduleDefinition = defineCrd({
  ...modules,
  versions: [
    defineVersion(
      { name: modules.version, storage: true, columns: moduleColumns },
      moduleFields,
      'A kernel module, the images that hold it, and the nodes that it is for.',
    ),
  ],
})

// The API server prints the first value of a column that finds several: only what is wrong is worth a column.
const nodeModulesConfigDefinition = defineCrd({
  ...nodeModulesConfigs,
  shortNames: ['nmc'],
  versions: [
    defineVersion(
      {
        name: nodeModulesConfigs.version,
        storage: true,
        columns: [
          {
            name: 'Waiting',
            type: 'string',
            jsonPath: '.status.workers[*].name',
            description: 'First Module that is not done',
          },
          { name: 'Reason', type: 'string', jsonPath: '.status.workers[*].reason', description: 'Why it is not' },
          { name: 'Message', type: 'string', jsonPath: '.status.workers[*].message', priority: 1 },
          age,
        ],
      },
      nodeModulesConfigFields,
      'Which modules must be, and are, in the kernel of the node of the same name. Written by KMM.',
    ),
  ],
})

/** The first image in a phase, or something of it. */
const imageColumn = (name: string, phase: ImagePhase, description: string, field = 'image'): PrinterColumn => ({
  name,
  type: 'string',
  jsonPath: `.status.images[?(@.phase=="${phase}")].${field}`,
  description,
  ...(field === 'image' ? {} : { priority: 1 }),
})

const moduleImagesConfigDefinition = defineCrd({
  ...moduleImagesConfigs,
  shortNames: ['mic'],
  versions: [
    defineVersion(
      {
        name: moduleImagesConfigs.version,
        storage: true,
        columns: [
          imageColumn('Missing', 'Missing', 'First image that does not exist'),
          imageColumn('Building', 'Building', 'First image that is being built'),
          imageColumn('Signing', 'Signing', 'First image that is being signed'),
          imageColumn('Failed', 'Failed', 'First image that could not be made'),
          imageColumn('Unknown', 'Unknown', 'First image that the operator could not look at'),
          imageColumn('Reason', 'Failed', 'Why it could not be made', 'reason'),
          imageColumn('Pod', 'Failed', 'Pod that failed to make it', 'pod'),
          imageColumn('Message', 'Failed', 'What to do about it', 'message'),
          age,
        ],
      },
      moduleImagesConfigFields,
      'The images that a Module needs, and what is known about them. Written by KMM.',
    ),
  ],
})

const kernelColumn: PrinterColumn = { name: 'Kernel', type: 'string', jsonPath: '.spec.kernelVersion' }

function preflightColumn(name: string, verificationStatus: string): PrinterColumn {
  return {
    name,
    type: 'string',
    jsonPath: `.status.modules[?(@.verificationStatus=="${verificationStatus}")].name`,
    description: `First module whose check has the result ${verificationStatus}`,
  }
}

const preflightDescription = 'Asks whether every Module would have an image for a kernel.'

const preflightValidationDefinition = defineCrd({
  ...preflightValidations,
  shortNames: ['pfv'],
  annotations: { 'cert-manager.io/inject-ca-from': 'kmm-operator-system/kmm-operator-serving-cert' },
  versions: [
    defineVersion(
      { name: 'v1beta1', storage: false, deprecated: true, columns: [kernelColumn, age] },
      preflightValidationV1beta1Fields,
      preflightDescription,
    ),
    defineVersion(
      {
        name: preflightValidations.version,
        storage: true,
        columns: [
          kernelColumn,
          preflightColumn('Failed', 'Failure'),
          preflightColumn('In progress', 'InProgress'),
          age,
        ],
      },
      preflightValidationFields,
      preflightDescription,
    ),
  ],
  conversion: {
    strategy: 'Webhook',
    webhook: {
      clientConfig: {
        service: { name: 'kmm-operator-webhook-service', namespace: 'kmm-operator-system', path: '/convert' },
      },
      conversionReviewVersions: ['v1beta2', 'v1beta1'],
    },
  },
})

const managedClusterModuleDefinition = defineCrd({
  ...managedClusterModules,
  versions: [
    defineVersion(
      {
        name: managedClusterModules.version,
        storage: true,
        columns: [
          { name: 'Desired', type: 'integer', jsonPath: '.status.numberDesired' },
          { name: 'Applied', type: 'integer', jsonPath: '.status.numberApplied' },
          { name: 'Degraded', type: 'integer', jsonPath: '.status.numberDegraded' },
          { name: 'Namespace', type: 'string', jsonPath: '.spec.spokeNamespace', priority: 1 },
          age,
        ],
      },
      managedClusterModuleFields,
      'A Module for many clusters, on an Open Cluster Management hub.',
    ),
  ],
})

/** The CustomResourceDefinitions of all of KMM's resources, as `deploy/crds/` holds them. */
export const customResourceDefinitions: readonly CustomResourceDefinition[] = [
  moduleDefinition,
  nodeModulesConfigDefinition,
  moduleImagesConfigDefinition,
  preflightValidationDefinition,
  managedClusterModuleDefinition,
]
