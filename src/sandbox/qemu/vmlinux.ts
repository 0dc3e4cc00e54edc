import { runTool } from './run-tool.ts'

const xzMagic = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00])

/** The compressed kernel inside a bzImage, by its setup header (Linux: Documentation/arch/x86/boot.rst). */
function findPayload(image: Buffer): Buffer | undefined {
  if (image.length < 0x260 || image.toString('latin1', 0x202, 0x206) !== 'HdrS') return undefined
  const setupSectors = image.readUInt8(0x1f1) || 4
  const start = (setupSectors + 1) * 512 + image.readUInt32LE(0x248)
  return image.subarray(start, start + image.readUInt32LE(0x24c))
}

/** The ELF file inside a bzImage; undefined where it is compressed with something else than xz. */
export async function extractKernel(image: Buffer): Promise<Buffer | undefined> {
  const payload = findPayload(image)
  if (payload === undefined || !payload.subarray(0, xzMagic.length).equals(xzMagic)) return undefined
  // Behind the stream stands the length of what it holds.
  return runTool('xz', ['--decompress', '--stdout', '--single-stream'], { input: payload })
}
