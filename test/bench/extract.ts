/** Times the extraction of a layer of 100 MB or more against `tar`: `npx tsx test/bench/extract.ts [--json] [--megabytes N]`. */
import { execFileSync } from 'node:child_process'
import { createHash, randomFillSync } from 'node:crypto'
import { createReadStream, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { extractImage, type LayerDescriptor } from '../../src/oci/extract.ts'
import { verifyLayer } from '../../src/oci/layer-verify.ts'
import { mediaTypes } from '../../src/oci/media-types.ts'

const kernel = '6.1.0-56-amd64'
const wantedTree = `/opt/lib/modules/${kernel}`

interface Figures {
  layerMegabytes: number
  files: number
  tarSeconds: number
  extractSeconds: number
  ratio: number
  peakMegabytes: number
}

/** Fills a kernel's tree with files of a distribution's sizes, half of their bytes random. */
function createTree(root: string, megabytes: number): number {
  let files = 0
  const block = Buffer.alloc(8 * 1024 * 1024)
  for (let written = 0; written < megabytes * 1024 * 1024; files += 1) {
    const directory = join(root, `.${wantedTree}`, 'kernel', 'drivers', `group${files % 40}`)
    const size = files % 50 === 0 ? 1_500_000 : 4_000 + ((files * 7_919) % 30_000)
    const content = block.subarray(0, size)
    for (let at = 0; at < size; at += 256) randomFillSync(content, at, Math.min(128, size - at))
    mkdirSync(directory, { recursive: true })
    writeFileSync(join(directory, `module${files}.ko`), content)
    written += size
  }
  return files
}

function time(work: () => void): number {
  const started = performance.now()
  work()
  return (performance.now() - started) / 1000
}

async function describeLayer(archive: string): Promise<LayerDescriptor> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(archive)) hash.update(chunk as Buffer)
  return { mediaType: mediaTypes.layerGzip, digest: `sha256:${hash.digest('hex')}`, size: statSync(archive).size }
}

/** Reads the layer as the worker does from the node's cache, digest verified. */
async function timeExtraction(archive: string, descriptor: LayerDescriptor, destination: string): Promise<number> {
  const started = performance.now()
  await extractImage({
    layers: [{ descriptor, open: () => Promise.resolve(verifyLayer(createReadStream(archive), descriptor, archive)) }],
    destination,
    wanted: [wantedTree],
    signal: new AbortController().signal,
  })
  return (performance.now() - started) / 1000
}

async function measure(folder: string, megabytes: number): Promise<Figures> {
  const source = join(folder, 'source')
  const archive = join(folder, 'layer.tar.gz')
  const files = createTree(source, megabytes)
  execFileSync('tar', ['-C', source, '-czf', archive, '.'])
  const descriptor = await describeLayer(archive)
  const tarSeconds: number[] = []
  const extractSeconds: number[] = []
  for (let round = 0; round < 3; round += 1) {
    const byTar = join(folder, `tar${round}`)
    mkdirSync(byTar)
    tarSeconds.push(time(() => execFileSync('tar', ['-C', byTar, '-xzf', archive])))
    rmSync(byTar, { recursive: true })
    const byUs = join(folder, `kmm${round}`)
    extractSeconds.push(await timeExtraction(archive, descriptor, byUs))
    rmSync(byUs, { recursive: true })
  }
  const best = Math.min(...extractSeconds)
  return {
    layerMegabytes: megabytes,
    files,
    tarSeconds: Math.min(...tarSeconds),
    extractSeconds: best,
    ratio: best / Math.min(...tarSeconds),
    peakMegabytes: Math.round(process.resourceUsage().maxRSS / 1024),
  }
}

const megabytesFlag = process.argv.indexOf('--megabytes')
const megabytes = megabytesFlag < 0 ? 120 : Number(process.argv[megabytesFlag + 1])
const folder = mkdtempSync(join(tmpdir(), 'kmm-bench-extract-'))
try {
  const figures = await measure(folder, megabytes)
  if (process.argv.includes('--json')) console.log(JSON.stringify(figures))
  else {
    console.log(`${figures.files} files, ${figures.layerMegabytes} MB unpacked`)
    console.log(`tar ${figures.tarSeconds.toFixed(2)} s, extractImage ${figures.extractSeconds.toFixed(2)} s`)
    console.log(`ratio ${figures.ratio.toFixed(2)} (goal: 2.5), peak memory ${figures.peakMegabytes} MB`)
  }
} finally {
  rmSync(folder, { recursive: true })
}
