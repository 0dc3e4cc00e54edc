import { moduleFileInvalid } from './invalid.ts'

/** How many bytes of a file `checkModuleHead` has to see. */
export const moduleHeadBytes = 64

/**
 * Looks at the beginning of a plain file of `fileBytes` bytes, without the rest, and fails with ModuleFileInvalid unless it is a
 * relocatable ELF object that holds its whole table of sections: a file that was cut short has lost that.
 */
export function checkModuleHead(head: Uint8Array, fileBytes: number): void {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength)
  if (head.byteLength < 52 || view.getUint32(0, false) !== 0x7f454c46)
    throw moduleFileInvalid('is no kernel module: it does not begin as an ELF file')
  const wide = view.getUint8(4) === 2
  const little = view.getUint8(5) === 1
  if (wide && head.byteLength < moduleHeadBytes) throw moduleFileInvalid('is damaged: it ends within its ELF header')
  if (view.getUint16(16, little) !== 1)
    throw moduleFileInvalid(
      'is no kernel module: it is an ELF program or library, and a module is a relocatable object',
    )
  const table = wide ? Number(view.getBigUint64(40, little)) : view.getUint32(32, little)
  const numbers = wide ? 58 : 46
  const tableBytes = view.getUint16(numbers, little) * Math.max(1, view.getUint16(numbers + 2, little))
  if (table === 0 || table + tableBytes > fileBytes)
    throw moduleFileInvalid('is damaged: it ends before its ELF tables do; build it again')
}
