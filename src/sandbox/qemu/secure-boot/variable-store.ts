import { KmmError } from '../../../errors/error.ts'
import { decodeGuid, encodeGuid } from './guid.ts'

// A flash image with variables, as EDK2 keeps it (MdePkg Pi/PiFirmwareVolume.h, MdeModulePkg Guid/VariableFormat.h):
// EFI_FIRMWARE_VOLUME_HEADER, then VARIABLE_STORE_HEADER, then AUTHENTICATED_VARIABLE_HEADERs with name and data, each
// aligned to 4 bytes, up to the first bytes that are erased flash.
const volumeHeaderLengthAt = 48
const storeSignature = encodeGuid('aaf32c78-947b-439a-a180-2e144ec37792')
const storeHeaderBytes = 28
const variableStart = 0x55aa
const variableHeaderBytes = 60
const added = 0x3f
const erased = 0xff

/** Attribute bits of a variable (UEFI specification, 8.2). */
export const variableAttributes = {
  nonVolatile: 0x01,
  bootServiceAccess: 0x02,
  runtimeAccess: 0x04,
  timeBasedAuthenticated: 0x20,
} as const

/** A UEFI variable. */
export interface UefiVariable {
  name: string
  vendor: string
  attributes: number
  data: Buffer
}

interface Store {
  /** Where the first variable is, and where the last one must end. */
  start: number
  end: number
}

const align = (offset: number): number => (offset + 3) & ~3

function findStore(image: Buffer): Store {
  const at = image.length > 64 ? image.readUInt16LE(volumeHeaderLengthAt) : 0
  if (image.length < at + storeHeaderBytes || !image.subarray(at, at + 16).equals(storeSignature))
    throw new KmmError(
      'the file is no store of authenticated UEFI variables: take an OVMF_VARS_4M.fd of the package ovmf',
      { code: 'Internal' },
    )
  return { start: at + storeHeaderBytes, end: Math.min(image.length, at + image.readUInt32LE(at + 16)) }
}

interface Found {
  variables: UefiVariable[]
  /** Where the next variable would be. */
  end: number
}

function readStore(image: Buffer, { start, end }: Store): Found {
  const variables: UefiVariable[] = []
  let at = start
  while (at + variableHeaderBytes <= end && image.readUInt16LE(at) === variableStart) {
    const nameBytes = image.readUInt32LE(at + 36)
    const dataAt = at + variableHeaderBytes + nameBytes
    const next = dataAt + image.readUInt32LE(at + 40)
    if (next > end) break
    if (image.readUInt8(at + 2) === added)
      variables.push({
        name: image.toString('utf16le', at + variableHeaderBytes, dataAt - 2),
        vendor: decodeGuid(image.subarray(at + 44)),
        attributes: image.readUInt32LE(at + 4),
        data: Buffer.from(image.subarray(dataAt, next)),
      })
    at = align(next)
  }
  return { variables, end: at }
}

/** The variables that a flash image holds; deleted ones are left out. */
export function readVariables(image: Buffer): UefiVariable[] {
  return readStore(image, findStore(image)).variables
}

/** EFI_TIME: year, month, day, hour, minute, second; the rest is zero. */
function encodeTime(epochMs: number): Buffer {
  const time = Buffer.alloc(16)
  const date = new Date(epochMs)
  time.writeUInt16LE(date.getUTCFullYear(), 0)
  const fields = [
    date.getUTCMonth() + 1,
    date.getUTCDate(),
    date.getUTCHours(),
    date.getUTCMinutes(),
    date.getUTCSeconds(),
  ]
  for (const [index, value] of fields.entries()) time.writeUInt8(value, 2 + index)
  return time
}

function encodeVariable({ name, vendor, attributes, data }: UefiVariable, nowMs: number): Buffer {
  const header = Buffer.alloc(variableHeaderBytes)
  const nameBytes = Buffer.from(`${name}\0`, 'utf16le')
  header.writeUInt16LE(variableStart, 0)
  header.writeUInt8(added, 2)
  header.writeUInt32LE(attributes, 4)
  if ((attributes & variableAttributes.timeBasedAuthenticated) !== 0) encodeTime(nowMs).copy(header, 16)
  header.writeUInt32LE(nameBytes.length, 36)
  header.writeUInt32LE(data.length, 40)
  encodeGuid(vendor).copy(header, 44)
  const bytes = Buffer.concat([header, nameBytes, data])
  return Buffer.concat([bytes, Buffer.alloc(align(bytes.length) - bytes.length, erased)])
}

/**
 * A copy of a flash image with variables added to those that it holds, none of which may have the name of a new one. Written
 * like this, variables need no signature: whoever has the flash owns the machine.
 */
export function addVariables(image: Buffer, variables: readonly UefiVariable[], nowMs: number): Buffer {
  const store = findStore(image)
  const present = readStore(image, store)
  const twice = variables.find(({ name }) => present.variables.some((variable) => variable.name === name))
  if (twice !== undefined)
    throw new KmmError(`the store of UEFI variables holds ${twice.name} already: take a fresh one`, {
      code: 'Internal',
    })
  const added = Buffer.concat(variables.map((variable) => encodeVariable(variable, nowMs)))
  if (present.end + added.length > store.end)
    throw new KmmError(
      `the UEFI variables need ${added.length} bytes and the store has ${store.end - present.end}: take a larger one (4M)`,
      { code: 'Internal' },
    )
  const copy = Buffer.from(image)
  added.copy(copy, present.end)
  return copy
}
