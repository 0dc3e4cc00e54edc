import { encodeGuid } from './guid.ts'

// EFI_SIGNATURE_LIST (UEFI specification, 32.4.1): type, sizes of the list, of the list's header (none) and of one entry;
// then entries, each the GUID of its owner and its data.
const headerBytes = 28
const types = {
  x509: encodeGuid('a5c059a1-94e4-4aa7-87b5-ab155c2bf072'),
  sha256: encodeGuid('c1c41626-504c-4092-aca9-41f936934328'),
}

/** What a signature database can trust: a certificate (DER), or the SHA-256 of one program. */
export type TrustedItem = { x509: Buffer } | { sha256: Buffer }

function encodeItem(item: TrustedItem, owner: Buffer): Buffer {
  const [type, data] = 'x509' in item ? [types.x509, item.x509] : [types.sha256, item.sha256]
  const header = Buffer.alloc(headerBytes)
  type.copy(header, 0)
  header.writeUInt32LE(headerBytes + owner.length + data.length, 16)
  header.writeUInt32LE(owner.length + data.length, 24)
  return Buffer.concat([header, owner, data])
}

/** The value of a signature database (`PK`, `KEK`, `db`, `MokListRT`): one list an item, all of one owner (a GUID). */
export function encodeSignatureLists(items: readonly TrustedItem[], owner: string): Buffer {
  const ownerBytes = encodeGuid(owner)
  return Buffer.concat(items.map((item) => encodeItem(item, ownerBytes)))
}
