// Written by scripts/generate-core-schemas.ts from Kubernetes' OpenAPI document. Do not edit.
import type { Json, StructuralSchema } from './schema/schema.ts'

export interface LocalObjectReference {
  name?: string
}
export const localObjectReferenceSchema: StructuralSchema = { type: "object", properties: {
  name: { type: "string", default: "" },
}, 'x-kubernetes-map-type': "atomic" }

export interface Toleration {
  effect?: string
  key?: string
  operator?: string
  tolerationSeconds?: number
  value?: string
}
export const tolerationSchema: StructuralSchema = { type: "object", properties: {
  effect: { type: "string" },
  key: { type: "string" },
  operator: { type: "string" },
  tolerationSeconds: { type: "integer", format: "int64" },
  value: { type: "string" },
} }

export interface AWSElasticBlockStoreVolumeSource {
  fsType?: string
  partition?: number
  readOnly?: boolean
  volumeID: string
}
const awsElasticBlockStoreVolumeSourceSchema: StructuralSchema = { type: "object", properties: {
  fsType: { type: "string" },
  partition: { type: "integer", format: "int32" },
  readOnly: { type: "boolean" },
  volumeID: { type: "string" },
}, required: ["volumeID"] }

export interface AzureDiskVolumeSource {
  cachingMode?: string
  diskName: string
  diskURI: string
  fsType?: string
  kind?: string
  readOnly?: boolean
}
const azureDiskVolumeSourceSchema: StructuralSchema = { type: "object", properties: {
  cachingMode: { type: "string" },
  diskName: { type: "string" },
  diskURI: { type: "string" },
  fsType: { type: "string", default: "ext4" },
  kind: { type: "string" },
  readOnly: { type: "boolean", default: false },
}, required: ["diskName","diskURI"] }

export interface AzureFileVolumeSource {
  readOnly?: boolean
  secretName: string
  shareName: string
}
const azureFileVolumeSourceSchema: StructuralSchema = { type: "object", properties: {
  readOnly: { type: "boolean" },
  secretName: { type: "string" },
  shareName: { type: "string" },
}, required: ["secretName","shareName"] }

export interface CephFSVolumeSource {
  monitors: string[]
  path?: string
  readOnly?: boolean
  secretFile?: string
  secretRef?: LocalObjectReference
  user?: string
}
const cephFSVolumeSourceSchema: StructuralSchema = { type: "object", properties: {
  monitors: { type: "array", items: { type: "string" }, 'x-kubernetes-list-type': "atomic" },
  path: { type: "string" },
  readOnly: { type: "boolean" },
  secretFile: { type: "string" },
  secretRef: localObjectReferenceSchema,
  user: { type: "string" },
}, required: ["monitors"] }

export interface CinderVolumeSource {
  fsType?: string
  readOnly?: boolean
  secretRef?: LocalObjectReference
  volumeID: string
}
const cinderVolumeSourceSchema: StructuralSchema = { type: "object", properties: {
  fsType: { type: "string" },
  readOnly: { type: "boolean" },
  secretRef: localObjectReferenceSchema,
  volumeID: { type: "string" },
}, required: ["volumeID"] }

export interface KeyToPath {
  key: string
  mode?: number
  path: string
}
const keyToPathSchema: StructuralSchema = { type: "object", properties: {
  key: { type: "string" },
  mode: { type: "integer", format: "int32" },
  path: { type: "string" },
}, required: ["key","path"] }

export interface ConfigMapVolumeSource {
  defaultMode?: number
  items?: KeyToPath[]
  name?: string
  optional?: boolean
}
const configMapVolumeSourceSchema: StructuralSchema = { type: "object", properties: {
  defaultMode: { type: "integer", format: "int32" },
  items: { type: "array", items: keyToPathSchema, 'x-kubernetes-list-type': "atomic" },
  name: { type: "string", default: "" },
  optional: { type: "boolean" },
} }

export interface CSIVolumeSource {
  driver: string
  fsType?: string
  nodePublishSecretRef?: LocalObjectReference
  readOnly?: boolean
  volumeAttributes?: Record<string, string>
}
const csiVolumeSourceSchema: StructuralSchema = { type: "object", properties: {
  driver: { type: "string" },
  fsType: { type: "string" },
  nodePublishSecretRef: localObjectReferenceSchema,
  readOnly: { type: "boolean" },
  volumeAttributes: { type: "object", additionalProperties: { type: "string" } },
}, required: ["driver"] }

export interface ObjectFieldSelector {
  apiVersion?: string
  fieldPath: string
}
const objectFieldSelectorSchema: StructuralSchema = { type: "object", properties: {
  apiVersion: { type: "string" },
  fieldPath: { type: "string" },
}, required: ["fieldPath"], 'x-kubernetes-map-type': "atomic" }

export type Quantity = string | number
const quantitySchema: StructuralSchema = {"anyOf":[{"type":"integer"},{"type":"string"}],"pattern":"^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$","x-kubernetes-int-or-string":true}

export interface ResourceFieldSelector {
  containerName?: string
  divisor?: Quantity
  resource: string
}
const resourceFieldSelectorSchema: StructuralSchema = { type: "object", properties: {
  containerName: { type: "string" },
  divisor: quantitySchema,
  resource: { type: "string" },
}, required: ["resource"], 'x-kubernetes-map-type': "atomic" }

export interface DownwardAPIVolumeFile {
  fieldRef?: ObjectFieldSelector
  mode?: number
  path: string
  resourceFieldRef?: ResourceFieldSelector
}
const downwardAPIVolumeFileSchema: StructuralSchema = { type: "object", properties: {
  fieldRef: objectFieldSelectorSchema,
  mode: { type: "integer", format: "int32" },
  path: { type: "string" },
  resourceFieldRef: resourceFieldSelectorSchema,
}, required: ["path"] }

export interface DownwardAPIVolumeSource {
  defaultMode?: number
  items?: DownwardAPIVolumeFile[]
}
const downwardAPIVolumeSourceSchema: StructuralSchema = { type: "object", properties: {
  defaultMode: { type: "integer", format: "int32" },
  items: { type: "array", items: downwardAPIVolumeFileSchema, 'x-kubernetes-list-type': "atomic" },
} }

export interface EmptyDirVolumeSource {
  medium?: string
  sizeLimit?: Quantity
}
const emptyDirVolumeSourceSchema: StructuralSchema = { type: "object", properties: {
  medium: { type: "string" },
  sizeLimit: quantitySchema,
} }

export type ObjectMeta = Record<string, Json>
const objectMetaSchema: StructuralSchema = {"type":"object"}

export interface TypedLocalObjectReference {
  apiGroup?: string
  kind: string
  name: string
}
const typedLocalObjectReferenceSchema: StructuralSchema = { type: "object", properties: {
  apiGroup: { type: "string" },
  kind: { type: "string" },
  name: { type: "string" },
}, required: ["kind","name"], 'x-kubernetes-map-type': "atomic" }

export interface TypedObjectReference {
  apiGroup?: string
  kind: string
  name: string
  namespace?: string
}
const typedObjectReferenceSchema: StructuralSchema = { type: "object", properties: {
  apiGroup: { type: "string" },
  kind: { type: "string" },
  name: { type: "string" },
  namespace: { type: "string" },
}, required: ["kind","name"] }

export interface VolumeResourceRequirements {
  limits?: Record<string, Quantity>
  requests?: Record<string, Quantity>
}
const volumeResourceRequirementsSchema: StructuralSchema = { type: "object", properties: {
  limits: { type: "object", additionalProperties: quantitySchema },
  requests: { type: "object", additionalProperties: quantitySchema },
} }

export interface LabelSelectorRequirement {
  key: string
  operator: string
  values?: string[]
}
const labelSelectorRequirementSchema: StructuralSchema = { type: "object", properties: {
  key: { type: "string" },
  operator: { type: "string" },
  values: { type: "array", items: { type: "string" }, 'x-kubernetes-list-type': "atomic" },
}, required: ["key","operator"] }

export interface LabelSelector {
  matchExpressions?: LabelSelectorRequirement[]
  matchLabels?: Record<string, string>
}
const labelSelectorSchema: StructuralSchema = { type: "object", properties: {
  matchExpressions: { type: "array", items: labelSelectorRequirementSchema, 'x-kubernetes-list-type': "atomic" },
  matchLabels: { type: "object", additionalProperties: { type: "string" } },
}, 'x-kubernetes-map-type': "atomic" }

export interface PersistentVolumeClaimSpec {
  accessModes?: string[]
  dataSource?: TypedLocalObjectReference
  dataSourceRef?: TypedObjectReference
  resources?: VolumeResourceRequirements
  selector?: LabelSelector
  storageClassName?: string
  volumeAttributesClassName?: string
  volumeMode?: string
  volumeName?: string
}
const persistentVolumeClaimSpecSchema: StructuralSchema = { type: "object", properties: {
  accessModes: { type: "array", items: { type: "string" }, 'x-kubernetes-list-type': "atomic" },
  dataSource: typedLocalObjectReferenceSchema,
  dataSourceRef: typedObjectReferenceSchema,
  resources: volumeResourceRequirementsSchema,
  selector: labelSelectorSchema,
  storageClassName: { type: "string" },
  volumeAttributesClassName: { type: "string" },
  volumeMode: { type: "string" },
  volumeName: { type: "string" },
} }

export interface PersistentVolumeClaimTemplate {
  metadata?: ObjectMeta
  spec: PersistentVolumeClaimSpec
}
const persistentVolumeClaimTemplateSchema: StructuralSchema = { type: "object", properties: {
  metadata: objectMetaSchema,
  spec: persistentVolumeClaimSpecSchema,
}, required: ["spec"] }

export interface EphemeralVolumeSource {
  volumeClaimTemplate?: PersistentVolumeClaimTemplate
}
const ephemeralVolumeSourceSchema: StructuralSchema = { type: "object", properties: {
  volumeClaimTemplate: persistentVolumeClaimTemplateSchema,
} }

export interface FCVolumeSource {
  fsType?: string
  lun?: number
  readOnly?: boolean
  targetWWNs?: string[]
  wwids?: string[]
}
const fcVolumeSourceSchema: StructuralSchema = { type: "object", properties: {
  fsType: { type: "string" },
  lun: { type: "integer", format: "int32" },
  readOnly: { type: "boolean" },
  targetWWNs: { type: "array", items: { type: "string" }, 'x-kubernetes-list-type': "atomic" },
  wwids: { type: "array", items: { type: "string" }, 'x-kubernetes-list-type': "atomic" },
} }

export interface FlexVolumeSource {
  driver: string
  fsType?: string
  options?: Record<string, string>
  readOnly?: boolean
  secretRef?: LocalObjectReference
}
const flexVolumeSourceSchema: StructuralSchema = { type: "object", properties: {
  driver: { type: "string" },
  fsType: { type: "string" },
  options: { type: "object", additionalProperties: { type: "string" } },
  readOnly: { type: "boolean" },
  secretRef: localObjectReferenceSchema,
}, required: ["driver"] }

export interface FlockerVolumeSource {
  datasetName?: string
  datasetUUID?: string
}
const flockerVolumeSourceSchema: StructuralSchema = { type: "object", properties: {
  datasetName: { type: "string" },
  datasetUUID: { type: "string" },
} }

export interface GCEPersistentDiskVolumeSource {
  fsType?: string
  partition?: number
  pdName: string
  readOnly?: boolean
}
const gcePersistentDiskVolumeSourceSchema: StructuralSchema = { type: "object", properties: {
  fsType: { type: "string" },
  partition: { type: "integer", format: "int32" },
  pdName: { type: "string" },
  readOnly: { type: "boolean" },
}, required: ["pdName"] }

export interface GitRepoVolumeSource {
  directory?: string
  repository: string
  revision?: string
}
const gitRepoVolumeSourceSchema: StructuralSchema = { type: "object", properties: {
  directory: { type: "string" },
  repository: { type: "string" },
  revision: { type: "string" },
}, required: ["repository"] }

export interface GlusterfsVolumeSource {
  endpoints: string
  path: string
  readOnly?: boolean
}
const glusterfsVolumeSourceSchema: StructuralSchema = { type: "object", properties: {
  endpoints: { type: "string" },
  path: { type: "string" },
  readOnly: { type: "boolean" },
}, required: ["endpoints","path"] }

export interface HostPathVolumeSource {
  path: string
  type?: string
}
const hostPathVolumeSourceSchema: StructuralSchema = { type: "object", properties: {
  path: { type: "string" },
  type: { type: "string" },
}, required: ["path"] }

export interface ImageVolumeSource {
  pullPolicy?: string
  reference?: string
}
const imageVolumeSourceSchema: StructuralSchema = { type: "object", properties: {
  pullPolicy: { type: "string" },
  reference: { type: "string" },
} }

export interface ISCSIVolumeSource {
  chapAuthDiscovery?: boolean
  chapAuthSession?: boolean
  fsType?: string
  initiatorName?: string
  iqn: string
  iscsiInterface?: string
  lun: number
  portals?: string[]
  readOnly?: boolean
  secretRef?: LocalObjectReference
  targetPortal: string
}
const iscsiVolumeSourceSchema: StructuralSchema = { type: "object", properties: {
  chapAuthDiscovery: { type: "boolean" },
  chapAuthSession: { type: "boolean" },
  fsType: { type: "string" },
  initiatorName: { type: "string" },
  iqn: { type: "string" },
  iscsiInterface: { type: "string", default: "default" },
  lun: { type: "integer", format: "int32" },
  portals: { type: "array", items: { type: "string" }, 'x-kubernetes-list-type': "atomic" },
  readOnly: { type: "boolean" },
  secretRef: localObjectReferenceSchema,
  targetPortal: { type: "string" },
}, required: ["iqn","lun","targetPortal"] }

export interface NFSVolumeSource {
  path: string
  readOnly?: boolean
  server: string
}
const nfsVolumeSourceSchema: StructuralSchema = { type: "object", properties: {
  path: { type: "string" },
  readOnly: { type: "boolean" },
  server: { type: "string" },
}, required: ["path","server"] }

export interface PersistentVolumeClaimVolumeSource {
  claimName: string
  readOnly?: boolean
}
const persistentVolumeClaimVolumeSourceSchema: StructuralSchema = { type: "object", properties: {
  claimName: { type: "string" },
  readOnly: { type: "boolean" },
}, required: ["claimName"] }

export interface PhotonPersistentDiskVolumeSource {
  fsType?: string
  pdID: string
}
const photonPersistentDiskVolumeSourceSchema: StructuralSchema = { type: "object", properties: {
  fsType: { type: "string" },
  pdID: { type: "string" },
}, required: ["pdID"] }

export interface PortworxVolumeSource {
  fsType?: string
  readOnly?: boolean
  volumeID: string
}
const portworxVolumeSourceSchema: StructuralSchema = { type: "object", properties: {
  fsType: { type: "string" },
  readOnly: { type: "boolean" },
  volumeID: { type: "string" },
}, required: ["volumeID"] }

export interface ClusterTrustBundleProjection {
  labelSelector?: LabelSelector
  name?: string
  optional?: boolean
  path: string
  signerName?: string
}
const clusterTrustBundleProjectionSchema: StructuralSchema = { type: "object", properties: {
  labelSelector: labelSelectorSchema,
  name: { type: "string" },
  optional: { type: "boolean" },
  path: { type: "string" },
  signerName: { type: "string" },
}, required: ["path"] }

export interface ConfigMapProjection {
  items?: KeyToPath[]
  name?: string
  optional?: boolean
}
const configMapProjectionSchema: StructuralSchema = { type: "object", properties: {
  items: { type: "array", items: keyToPathSchema, 'x-kubernetes-list-type': "atomic" },
  name: { type: "string", default: "" },
  optional: { type: "boolean" },
} }

export interface DownwardAPIProjection {
  items?: DownwardAPIVolumeFile[]
}
const downwardAPIProjectionSchema: StructuralSchema = { type: "object", properties: {
  items: { type: "array", items: downwardAPIVolumeFileSchema, 'x-kubernetes-list-type': "atomic" },
} }

export interface PodCertificateProjection {
  certificateChainPath?: string
  credentialBundlePath?: string
  keyPath?: string
  keyType: string
  maxExpirationSeconds?: number
  signerName: string
  userAnnotations?: Record<string, string>
}
const podCertificateProjectionSchema: StructuralSchema = { type: "object", properties: {
  certificateChainPath: { type: "string" },
  credentialBundlePath: { type: "string" },
  keyPath: { type: "string" },
  keyType: { type: "string" },
  maxExpirationSeconds: { type: "integer", format: "int32" },
  signerName: { type: "string" },
  userAnnotations: { type: "object", additionalProperties: { type: "string" } },
}, required: ["keyType","signerName"] }

export interface SecretProjection {
  items?: KeyToPath[]
  name?: string
  optional?: boolean
}
const secretProjectionSchema: StructuralSchema = { type: "object", properties: {
  items: { type: "array", items: keyToPathSchema, 'x-kubernetes-list-type': "atomic" },
  name: { type: "string", default: "" },
  optional: { type: "boolean" },
} }

export interface ServiceAccountTokenProjection {
  audience?: string
  expirationSeconds?: number
  path: string
}
const serviceAccountTokenProjectionSchema: StructuralSchema = { type: "object", properties: {
  audience: { type: "string" },
  expirationSeconds: { type: "integer", format: "int64" },
  path: { type: "string" },
}, required: ["path"] }

export interface VolumeProjection {
  clusterTrustBundle?: ClusterTrustBundleProjection
  configMap?: ConfigMapProjection
  downwardAPI?: DownwardAPIProjection
  podCertificate?: PodCertificateProjection
  secret?: SecretProjection
  serviceAccountToken?: ServiceAccountTokenProjection
}
const volumeProjectionSchema: StructuralSchema = { type: "object", properties: {
  clusterTrustBundle: clusterTrustBundleProjectionSchema,
  configMap: configMapProjectionSchema,
  downwardAPI: downwardAPIProjectionSchema,
  podCertificate: podCertificateProjectionSchema,
  secret: secretProjectionSchema,
  serviceAccountToken: serviceAccountTokenProjectionSchema,
} }

export interface ProjectedVolumeSource {
  defaultMode?: number
  sources?: VolumeProjection[]
}
const projectedVolumeSourceSchema: StructuralSchema = { type: "object", properties: {
  defaultMode: { type: "integer", format: "int32" },
  sources: { type: "array", items: volumeProjectionSchema, 'x-kubernetes-list-type': "atomic" },
} }

export interface QuobyteVolumeSource {
  group?: string
  readOnly?: boolean
  registry: string
  tenant?: string
  user?: string
  volume: string
}
const quobyteVolumeSourceSchema: StructuralSchema = { type: "object", properties: {
  group: { type: "string" },
  readOnly: { type: "boolean" },
  registry: { type: "string" },
  tenant: { type: "string" },
  user: { type: "string" },
  volume: { type: "string" },
}, required: ["registry","volume"] }

export interface RBDVolumeSource {
  fsType?: string
  image: string
  keyring?: string
  monitors: string[]
  pool?: string
  readOnly?: boolean
  secretRef?: LocalObjectReference
  user?: string
}
const rbdVolumeSourceSchema: StructuralSchema = { type: "object", properties: {
  fsType: { type: "string" },
  image: { type: "string" },
  keyring: { type: "string", default: "/etc/ceph/keyring" },
  monitors: { type: "array", items: { type: "string" }, 'x-kubernetes-list-type': "atomic" },
  pool: { type: "string", default: "rbd" },
  readOnly: { type: "boolean" },
  secretRef: localObjectReferenceSchema,
  user: { type: "string", default: "admin" },
}, required: ["image","monitors"] }

export interface ScaleIOVolumeSource {
  fsType?: string
  gateway: string
  protectionDomain?: string
  readOnly?: boolean
  secretRef: LocalObjectReference
  sslEnabled?: boolean
  storageMode?: string
  storagePool?: string
  system: string
  volumeName?: string
}
const scaleIOVolumeSourceSchema: StructuralSchema = { type: "object", properties: {
  fsType: { type: "string", default: "xfs" },
  gateway: { type: "string" },
  protectionDomain: { type: "string" },
  readOnly: { type: "boolean" },
  secretRef: localObjectReferenceSchema,
  sslEnabled: { type: "boolean" },
  storageMode: { type: "string", default: "ThinProvisioned" },
  storagePool: { type: "string" },
  system: { type: "string" },
  volumeName: { type: "string" },
}, required: ["gateway","secretRef","system"] }

export interface SecretVolumeSource {
  defaultMode?: number
  items?: KeyToPath[]
  optional?: boolean
  secretName?: string
}
const secretVolumeSourceSchema: StructuralSchema = { type: "object", properties: {
  defaultMode: { type: "integer", format: "int32" },
  items: { type: "array", items: keyToPathSchema, 'x-kubernetes-list-type': "atomic" },
  optional: { type: "boolean" },
  secretName: { type: "string" },
} }

export interface StorageOSVolumeSource {
  fsType?: string
  readOnly?: boolean
  secretRef?: LocalObjectReference
  volumeName?: string
  volumeNamespace?: string
}
const storageOSVolumeSourceSchema: StructuralSchema = { type: "object", properties: {
  fsType: { type: "string" },
  readOnly: { type: "boolean" },
  secretRef: localObjectReferenceSchema,
  volumeName: { type: "string" },
  volumeNamespace: { type: "string" },
} }

export interface VsphereVirtualDiskVolumeSource {
  fsType?: string
  storagePolicyID?: string
  storagePolicyName?: string
  volumePath: string
}
const vsphereVirtualDiskVolumeSourceSchema: StructuralSchema = { type: "object", properties: {
  fsType: { type: "string" },
  storagePolicyID: { type: "string" },
  storagePolicyName: { type: "string" },
  volumePath: { type: "string" },
}, required: ["volumePath"] }

export interface Volume {
  awsElasticBlockStore?: AWSElasticBlockStoreVolumeSource
  azureDisk?: AzureDiskVolumeSource
  azureFile?: AzureFileVolumeSource
  cephfs?: CephFSVolumeSource
  cinder?: CinderVolumeSource
  configMap?: ConfigMapVolumeSource
  csi?: CSIVolumeSource
  downwardAPI?: DownwardAPIVolumeSource
  emptyDir?: EmptyDirVolumeSource
  ephemeral?: EphemeralVolumeSource
  fc?: FCVolumeSource
  flexVolume?: FlexVolumeSource
  flocker?: FlockerVolumeSource
  gcePersistentDisk?: GCEPersistentDiskVolumeSource
  gitRepo?: GitRepoVolumeSource
  glusterfs?: GlusterfsVolumeSource
  hostPath?: HostPathVolumeSource
  image?: ImageVolumeSource
  iscsi?: ISCSIVolumeSource
  name: string
  nfs?: NFSVolumeSource
  persistentVolumeClaim?: PersistentVolumeClaimVolumeSource
  photonPersistentDisk?: PhotonPersistentDiskVolumeSource
  portworxVolume?: PortworxVolumeSource
  projected?: ProjectedVolumeSource
  quobyte?: QuobyteVolumeSource
  rbd?: RBDVolumeSource
  scaleIO?: ScaleIOVolumeSource
  secret?: SecretVolumeSource
  storageos?: StorageOSVolumeSource
  vsphereVolume?: VsphereVirtualDiskVolumeSource
}
export const volumeSchema: StructuralSchema = { type: "object", properties: {
  awsElasticBlockStore: awsElasticBlockStoreVolumeSourceSchema,
  azureDisk: azureDiskVolumeSourceSchema,
  azureFile: azureFileVolumeSourceSchema,
  cephfs: cephFSVolumeSourceSchema,
  cinder: cinderVolumeSourceSchema,
  configMap: configMapVolumeSourceSchema,
  csi: csiVolumeSourceSchema,
  downwardAPI: downwardAPIVolumeSourceSchema,
  emptyDir: emptyDirVolumeSourceSchema,
  ephemeral: ephemeralVolumeSourceSchema,
  fc: fcVolumeSourceSchema,
  flexVolume: flexVolumeSourceSchema,
  flocker: flockerVolumeSourceSchema,
  gcePersistentDisk: gcePersistentDiskVolumeSourceSchema,
  gitRepo: gitRepoVolumeSourceSchema,
  glusterfs: glusterfsVolumeSourceSchema,
  hostPath: hostPathVolumeSourceSchema,
  image: imageVolumeSourceSchema,
  iscsi: iscsiVolumeSourceSchema,
  name: { type: "string" },
  nfs: nfsVolumeSourceSchema,
  persistentVolumeClaim: persistentVolumeClaimVolumeSourceSchema,
  photonPersistentDisk: photonPersistentDiskVolumeSourceSchema,
  portworxVolume: portworxVolumeSourceSchema,
  projected: projectedVolumeSourceSchema,
  quobyte: quobyteVolumeSourceSchema,
  rbd: rbdVolumeSourceSchema,
  scaleIO: scaleIOVolumeSourceSchema,
  secret: secretVolumeSourceSchema,
  storageos: storageOSVolumeSourceSchema,
  vsphereVolume: vsphereVirtualDiskVolumeSourceSchema,
}, required: ["name"] }

export interface VolumeMount {
  mountPath: string
  mountPropagation?: string
  name: string
  readOnly?: boolean
  recursiveReadOnly?: string
  subPath?: string
  subPathExpr?: string
}
export const volumeMountSchema: StructuralSchema = { type: "object", properties: {
  mountPath: { type: "string" },
  mountPropagation: { type: "string" },
  name: { type: "string" },
  readOnly: { type: "boolean" },
  recursiveReadOnly: { type: "string" },
  subPath: { type: "string" },
  subPathExpr: { type: "string" },
}, required: ["mountPath","name"] }

export interface ConfigMapKeySelector {
  key: string
  name?: string
  optional?: boolean
}
const configMapKeySelectorSchema: StructuralSchema = { type: "object", properties: {
  key: { type: "string" },
  name: { type: "string", default: "" },
  optional: { type: "boolean" },
}, required: ["key"], 'x-kubernetes-map-type': "atomic" }

export interface FileKeySelector {
  key: string
  optional?: boolean
  path: string
  volumeName: string
}
const fileKeySelectorSchema: StructuralSchema = { type: "object", properties: {
  key: { type: "string" },
  optional: { type: "boolean", default: false },
  path: { type: "string" },
  volumeName: { type: "string" },
}, required: ["key","path","volumeName"], 'x-kubernetes-map-type': "atomic" }

export interface SecretKeySelector {
  key: string
  name?: string
  optional?: boolean
}
const secretKeySelectorSchema: StructuralSchema = { type: "object", properties: {
  key: { type: "string" },
  name: { type: "string", default: "" },
  optional: { type: "boolean" },
}, required: ["key"], 'x-kubernetes-map-type': "atomic" }

export interface EnvVarSource {
  configMapKeyRef?: ConfigMapKeySelector
  fieldRef?: ObjectFieldSelector
  fileKeyRef?: FileKeySelector
  resourceFieldRef?: ResourceFieldSelector
  secretKeyRef?: SecretKeySelector
}
const envVarSourceSchema: StructuralSchema = { type: "object", properties: {
  configMapKeyRef: configMapKeySelectorSchema,
  fieldRef: objectFieldSelectorSchema,
  fileKeyRef: fileKeySelectorSchema,
  resourceFieldRef: resourceFieldSelectorSchema,
  secretKeyRef: secretKeySelectorSchema,
} }

export interface EnvVar {
  name: string
  value?: string
  valueFrom?: EnvVarSource
}
export const envVarSchema: StructuralSchema = { type: "object", properties: {
  name: { type: "string" },
  value: { type: "string" },
  valueFrom: envVarSourceSchema,
}, required: ["name"] }

export interface ResourceClaim {
  name: string
  request?: string
}
const resourceClaimSchema: StructuralSchema = { type: "object", properties: {
  name: { type: "string" },
  request: { type: "string" },
}, required: ["name"] }

export interface ResourceRequirements {
  claims?: ResourceClaim[]
  limits?: Record<string, Quantity>
  requests?: Record<string, Quantity>
}
export const resourceRequirementsSchema: StructuralSchema = { type: "object", properties: {
  claims: { type: "array", items: resourceClaimSchema, 'x-kubernetes-list-type': "map", 'x-kubernetes-list-map-keys': ["name"] },
  limits: { type: "object", additionalProperties: quantitySchema },
  requests: { type: "object", additionalProperties: quantitySchema },
} }

export interface CELDeviceSelector {
  expression: string
}
const celDeviceSelectorSchema: StructuralSchema = { type: "object", properties: {
  expression: { type: "string" },
}, required: ["expression"] }

export interface DeviceSelector {
  cel?: CELDeviceSelector
}
export const deviceSelectorSchema: StructuralSchema = { type: "object", properties: {
  cel: celDeviceSelectorSchema,
} }

export type RawExtension = Record<string, Json>
const rawExtensionSchema: StructuralSchema = {"type":"object","x-kubernetes-preserve-unknown-fields":true}

export interface OpaqueDeviceConfiguration {
  driver: string
  parameters: RawExtension
}
const opaqueDeviceConfigurationSchema: StructuralSchema = { type: "object", properties: {
  driver: { type: "string" },
  parameters: rawExtensionSchema,
}, required: ["driver","parameters"] }

export interface DeviceClassConfiguration {
  opaque?: OpaqueDeviceConfiguration
}
export const deviceClassConfigurationSchema: StructuralSchema = { type: "object", properties: {
  opaque: opaqueDeviceConfigurationSchema,
} }
