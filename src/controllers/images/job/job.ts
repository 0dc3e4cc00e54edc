import type { Reason } from '../../../errors/reason.ts'

/** The kinds of pods that make images, as their label `resource-type` names them (upstream). */
export const jobTypes = ['BuildImage', 'SignImage'] as const

export type JobType = (typeof jobTypes)[number]

/** What has become of a build or sign pod, read from the earliest witness: its container's status. */
export type JobState =
  /** Not running yet; `message` says why where anybody knows, else it is empty. */
  | { kind: 'pending'; message: string }
  | { kind: 'running' }
  /** It pushed the image with this digest, or built without a push: then the digest is empty. */
  | { kind: 'succeeded'; digest: string; finishedAtMs: number }
  | { kind: 'failed'; reason: Reason; message: string; log: string; finishedAtMs: number }

/** A pod that makes an image, as the rules see it. */
export interface Job {
  type: JobType
  /** The image that it is for, as the ModuleImagesConfig names it. */
  image: string
  /** Hash of everything that the attempt is made from; empty for a pod of an upstream operator. */
  hash: string
  /** From 1; 0 for a pod of an upstream operator. */
  attempt: number
  name: string
  uid: string
  createdAtMs: number
  state: JobState
  /** False where what it makes goes nowhere: it is made to see that it can be. */
  isPushed: boolean
  deleting: boolean
  /** Its node is gone or does not answer: nobody will say what became of it. */
  lost: boolean
  /** Finalizers that an upstream operator put on it and that nobody else takes off. */
  finalizers: readonly string[]
}

/** It has not ended. */
export const isActive = ({ state }: Pick<Job, 'state'>): boolean => state.kind === 'pending' || state.kind === 'running'

/** It has not ended, and somebody will say what became of it. */
export const isAtWork = (job: Pick<Job, 'state' | 'lost'>): boolean => isActive(job) && !job.lost

/** This operator's pod of that kind says that it pushed the image with this digest. */
export const hasPushed = ({ type, hash, state }: Job, kind: JobType, digest: string): boolean =>
  type === kind && hash !== '' && state.kind === 'succeeded' && state.digest === digest

/** What an image is built from, read by name at one moment. */
export interface BuildInputs {
  /** The Dockerfile's text. */
  dockerfile: string
  /** Hash of the Dockerfile, the arguments, the secrets' versions, the kernel and the base images' digests. */
  hash: string
  /** Hash of how the pod is run, which does not change what it makes: registries' TLS, build.selector, tolerations. */
  setup?: string
  /** Base images whose digests nobody could find out now, and which the hash therefore does not know. */
  unresolved?: readonly string[]
}

/** What an image is signed with, read by name at one moment. */
export interface SignInputs {
  /** Hash of the certificate, the key's version, and which files are signed; the image to sign is not in it. */
  hash: string
  /** Hash of how the pod is run, which does not change what it makes: registries' TLS, tolerations. */
  setup?: string
  /** SHA-256 of the certificate, as images carry it in their label. */
  certificate: string
}

/** What came of reading the inputs of an image. */
export type InputsResult =
  | { kind: 'read'; build?: BuildInputs; sign?: SignInputs }
  /** Something is not there or not usable; the message says what, and what to do. */
  | {
      kind: 'unusable'
      reason: Extract<Reason, 'ImageInputMissing' | 'SigningKeyInvalid' | 'FilesToSignInvalid' | 'MappingInvalid'>
      message: string
      /** SHA-256 of the certificate, where that much can be read: an image that exists needs no more to be judged. */
      certificate?: string
    }

/** A reading of the inputs that was made in this process. */
export interface InputsFact {
  result: InputsResult
  atMs: number
  /** What of the spec it was made for, as `formatInputsKey` writes it: it says nothing of another. */
  key: string
}

/** What came of looking whose signature an existing image carries. */
export type InspectionResult =
  /** Its label, or each of its modules, says so. */
  | { kind: 'signed' }
  /** Not by this certificate; the message names files and, where known, the signer. */
  | { kind: 'unsigned'; message: string }
  | { kind: 'unknown'; reason: Reason; message: string }

/** An inspection that was made in this process. */
export interface InspectionFact {
  result: InspectionResult
  atMs: number
  digest: string
  certificate: string
  /** How many inspections in a row ended without an answer. */
  attempts: number
}

/** A build or sign pod that the API server refused. */
export interface JobRefusal {
  reason: Extract<Reason, 'JobPodRefused' | 'BuilderUnavailable'>
  message: string
  /** Of the pod that was refused. */
  hash: string
  attempts: number
  /** When to try again, epoch. */
  untilMs: number
}
