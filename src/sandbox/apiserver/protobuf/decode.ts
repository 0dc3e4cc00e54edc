import { badRequest, notImitated } from '../status-error.ts'
import { protobufKinds } from './kinds.ts'
import { decodeMessage, message } from './message.ts'

const magic = Buffer.from('k8s\0')
const typeMeta = message({ 1: ['apiVersion', 'string'], 2: ['kind', 'string'] })
const envelope = message({ 1: ['typeMeta', typeMeta], 2: ['raw', 'bytes'] })

/** Decodes a protobuf body as Kubernetes' Go clients send it; 501 for kinds whose form is not known here. */
export function decodeProtobuf(body: Buffer): Record<string, unknown> {
  if (!body.subarray(0, 4).equals(magic)) throw badRequest('provided data does not appear to be a protobuf message')
  const { typeMeta: type, raw } = decodeMessage(envelope, body.subarray(4))
  const { apiVersion = '', kind = '' } = (type ?? {}) as { apiVersion?: string; kind?: string }
  const known = protobufKinds[`${apiVersion}/${kind}`]
  if (!known) throw notImitated(`protobuf bodies of ${kind}`, 'write the object as YAML and apply that')
  const bytes = Buffer.from(typeof raw === 'string' ? raw : '', 'base64')
  return { apiVersion, kind, ...decodeMessage(known, bytes) }
}
