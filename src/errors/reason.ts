/** The reasons that a worker's report can carry; closed. */
export const reportReasons = [
  'Loaded',
  'Unloaded',
  'ImageNotFound',
  'RegistryUnauthorized',
  'RegistryUnreachable',
  'ImageInvalid',
  'ModuleNotInImage',
  'KernelMismatch',
  'SignatureRejected',
  'ModuleInUse',
  'OtherVersionLoaded',
  'UnknownSymbol',
  'FirmwareMissing',
  'InvalidParameter',
  'InTreeRemovalFailed',
  'PermissionDenied',
  'OutOfSpace',
  'Unknown',
] as const

export type ReportReason = (typeof reportReasons)[number]

/** Why a module that is loaded on a node is to go, or is not for it; closed. Nothing else takes a module out. */
export const releaseReasons = [
  'ModuleDeleted',
  'SelectorMismatch',
  'NoKernelMapping',
  'ModuleLoaderRemoved',
  'VersionLabelMissing',
  'NodeTainted',
] as const

export type ReleaseReason = (typeof releaseReasons)[number]

/** The reasons that the operator itself gives for a module that is not loaded, or for not acting; closed. */
export const operatorReasons = [
  ...releaseReasons,
  'MappingInvalid',
  'ImageUnknown',
  'ImageMissing',
  'ImageUnverified',
  'ImageBuilding',
  'ImageSigning',
  'ImageInputMissing',
  'ImageInputsDiffer',
  'ImageLost',
  'ExistsUnsigned',
  'UnsignedImageMissing',
  'BuildFailed',
  'BuilderUnavailable',
  'SignFailed',
  'SigningKeyInvalid',
  'FilesToSignInvalid',
  'JobQueued',
  'JobPodPending',
  'JobPodRefused',
  'JobPodLost',
  'NodeNotSchedulable',
  'NodeNotReady',
  'NodeGone',
  'ModuleVanished',
  'FinalizerMissing',
  'NameTooLong',
  'VersionDiffers',
  'UnloadForbidden',
  'ModuleClaimed',
  'DevicePluginStillRunning',
  'DaemonSetRefused',
  'DRAUnsupported',
  'DeviceClassConflict',
  'DeviceClassRefused',
  'WorkerPodRefused',
  'WorkerPodPending',
  'WorkerImageUnavailable',
  'ImageVolumeUnsupported',
  'WorkerRunning',
  'WorkerLost',
  'NodeModulesConfigPending',
] as const

export type OperatorReason = (typeof operatorReasons)[number]

/** Why a module is not loaded on a node, or why nothing is done about it. */
export type Reason = ReportReason | OperatorReason

/** Parses a reason of a report; anything else is `Unknown`. */
export function parseReportReason(text: unknown): ReportReason {
  return reportReasons.find((reason) => reason === text) ?? 'Unknown'
}
