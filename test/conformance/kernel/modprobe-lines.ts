import type { Json } from '../compare.ts'
import type { TargetNode } from '../target.ts'
import { keepModuleLines } from './dmesg.ts'
import { exampleLayer, writeTree } from './images.ts'

/** One thing done on a node: a command line of modprobe, or something around it. */
export type Step =
  | { modprobe: string }
  /** Opens the device file of kmm_demo_dev, and closes it. */
  | { hold: true }
  | { free: true }
  | { write: string; content: string }
  | { remove: string }

/** Steps that belong together; nothing is loaded after them. */
export interface LineCase {
  name: string
  steps: readonly Step[]
}

const run = (...lines: string[]): Step[] => lines.map((modprobe) => ({ modprobe }))
const demo = '-vd /trees/prebuilt'
const more = '-vd /trees/prebuilt-more'
const configuration = '/etc/modprobe.d/kmm-test.conf'

/** Loads kmm_demo with this parameter, and clears up. */
const parameter = (text: string): LineCase => ({
  name: `parameter ${text}`,
  steps: run(`${demo} kmm_demo ${text}`, '-rd /trees/prebuilt kmm_demo kmm_demo_dep'),
})

const configured = (name: string, content: string, ...lines: string[]): LineCase => ({
  name,
  steps: [{ write: configuration, content }, ...run(...lines), { remove: configuration }],
})

/** What an administrator may ask of modprobe; every case ends with nothing loaded. */
const cases: readonly LineCase[] = [
  {
    name: 'load, load again, unload, unload again',
    steps: run(
      `${demo} kmm_demo count=2 greeting=hello`,
      `${demo} kmm_demo`,
      '-rvd /trees/prebuilt kmm_demo',
      '-rvd /trees/prebuilt kmm_demo',
    ),
  },
  {
    name: 'the first time, and not',
    steps: run(
      `${demo} --first-time kmm-demo`,
      `${demo} --first-time kmm-demo`,
      '-rvd /trees/prebuilt --first-time kmm-demo',
      '-rvd /trees/prebuilt --first-time kmm-demo',
    ),
  },
  {
    name: 'removal of what another module uses',
    steps: run(
      `${demo} kmm_demo`,
      '-rvd /trees/prebuilt kmm_demo_dep',
      '-rvd /trees/prebuilt kmm_demo_dep kmm_demo',
      '-rvd /trees/prebuilt kmm_demo kmm_demo_dep',
    ),
  },
  {
    name: 'removal with the holders',
    steps: run(`${demo} kmm_demo`, '-rvd /trees/prebuilt --remove-holders kmm_demo_dep'),
  },
  {
    name: 'removal of what somebody has open',
    steps: [
      ...run(`${more} kmm_demo_dev`),
      { hold: true },
      ...run('-rvd /trees/prebuilt-more kmm_demo_dev', '-rvd /trees/prebuilt-more --wait 100 kmm_demo_dev'),
      { free: true },
      ...run('-rvd /trees/prebuilt-more kmm_demo_dev'),
    ],
  },
  { name: 'names that nobody knows', steps: run(`${demo} nothere`, '-rvd /trees/prebuilt nothere', '-rv nothere') },
  { name: 'a tree that is not there', steps: run('-vd /trees/nowhere kmm_demo', '-rvd /trees/nowhere kmm_demo') },
  {
    name: 'several at once',
    steps: run('-vad /trees/prebuilt kmm_demo_dep nothere kmm_demo_fw', '-rd /trees/prebuilt kmm_demo_dep'),
  },
  {
    name: 'what would be done',
    steps: run('-nvd /trees/prebuilt kmm_demo', '-Dd /trees/prebuilt kmm_demo', '-qd /trees/prebuilt nothere'),
  },
  parameter('count=1000'),
  parameter('count=-1'),
  parameter('count=07'),
  parameter('count=x'),
  parameter('count=99999999999'),
  parameter('count'),
  parameter('greeting'),
  parameter('nope=3'),
  { name: 'a bool that is none', steps: run(`${demo} kmm_demo_fw optional=maybe`) },
  { name: 'firmware that is missing', steps: run(`${demo} kmm_demo_fw`) },
  {
    name: 'firmware that need not be there',
    steps: run(`${demo} kmm_demo_fw optional=1`, '-rvd /trees/prebuilt kmm_demo_fw'),
  },
  {
    name: 'firmware that is there',
    steps: [
      { write: '/lib/firmware/kmm/demo.bin', content: 'firmware' },
      ...run(`${demo} kmm_demo_fw`, '-rvd /trees/prebuilt kmm_demo_fw'),
      { remove: '/lib/firmware/kmm/demo.bin' },
    ],
  },
  { name: 'no device', steps: run(`${more} kmm_demo_dev absent=1`) },
  { name: 'another kernel', steps: run('-vd /trees/cloud kmm_demo') },
  {
    name: 'another release with the same symbols',
    steps: run('-vd /trees/sister kmm_demo', '-rvd /trees/sister kmm_demo'),
  },
  { name: 'a file that was cut off', steps: run('-vd /trees/cut kmm_demo') },
  { name: 'a file that is no module', steps: run('-vd /trees/text kmm_demo') },
  { name: 'another architecture', steps: run('-vd /trees/arm kmm_demo') },
  { name: 'a file that is not there', steps: run('-vd /trees/gone kmm_demo') },
  {
    name: 'in-tree modules',
    steps: run('-v dummy', `${more} dummy`, '-rv dummy ifb', `${more} dummy`, '-rvd /trees/prebuilt-more dummy'),
  },
  {
    name: 'in-tree modules, one unknown',
    steps: run('-v dummy', '-rv nothere dummy', '-rv dummy'),
  },
  configured(
    'an order',
    'softdep kmm_demo_dev pre: dummy\n',
    `${more} kmm_demo_dev`,
    '-rvd /trees/prebuilt-more kmm_demo_dev',
  ),
  configured(
    'the opposite order',
    'softdep dummy pre: kmm_demo_dev\n',
    `${more} dummy`,
    '-rvd /trees/prebuilt-more dummy',
  ),
  configured('a blacklist', 'blacklist kmm_demo\n', '-vbd /trees/prebuilt kmm_demo'),
  configured('options', 'options kmm_demo count=2\n', `${demo} kmm_demo greeting=x`, '-rd /trees/prebuilt kmm_demo'),
]

/** What the code of the example modules prints when it counts: a virtual kernel runs no code. */
const isCounting = (line: string): boolean => /^kmm_demo.*(?:\(greeting \d+\)|counted \d+ greetings)$/.test(line)

/** Pointers differ from run to run. */
const withoutPointers = (line: string): string => line.replaceAll(/ctx=0x[0-9a-f]+/g, 'ctx=POINTER')

async function writeTrees(node: TargetNode, release: string, otherRelease: string): Promise<void> {
  const cloud = release.replace(/-amd64$/, '-cloud-amd64')
  const prebuilt = await exampleLayer('prebuilt', release)
  const trees = {
    prebuilt,
    'prebuilt-more': await exampleLayer('prebuilt-more', release),
    cloud: await exampleLayer('prebuilt-cloud', cloud, release),
    sister: await exampleLayer('prebuilt', otherRelease, release),
    cut: change(prebuilt, (data) => data.subarray(0, 3000)),
    text: change(prebuilt, () => Buffer.from('no module')),
    arm: change(prebuilt, (data) => Buffer.concat([data.subarray(0, 18), Buffer.from([183]), data.subarray(19)])),
    gone: change(prebuilt, () => undefined),
  }
  const place = (name: string, layer: Layer): Layer =>
    layer
      .filter((entry) => /\.(?:ko|bin|softdep)$/.test(entry.name))
      .map((entry) => ({ ...entry, name: entry.name.replace(/^opt/, `trees/${name}`) }))
  for (const [name, layer] of Object.entries(trees)) await writeTree(node, place(name, layer))
}

type Layer = Awaited<ReturnType<typeof exampleLayer>>

/** The layer with another kmm_demo_dep.ko, or without. */
function change(layer: Layer, edit: (data: Buffer) => Buffer | undefined): Layer {
  return layer.flatMap((entry) => {
    if (!entry.name.endsWith('kmm_demo_dep.ko')) return [entry]
    const content = edit(Buffer.from(entry.content ?? ''))
    return content === undefined ? [] : [{ ...entry, content }]
  })
}

/** Runs the command lines on a node, and answers what modprobe and the kernel had to say, and what was loaded then. */
export async function collectModprobeLines(node: TargetNode, otherRelease: string): Promise<Record<string, Json>> {
  await writeTrees(node, await node.release(), otherRelease)
  const lines: Record<string, Json> = {}
  let free = (): Promise<void> => Promise.resolve()
  for (const { name, steps } of cases) {
    const told: Json[] = []
    for (const step of steps) {
      if ('hold' in step) free = await node.hold('kmm_demo_dev')
      else if ('free' in step) await free()
      else if ('write' in step) await node.writeFile(step.write, step.content)
      else if ('remove' in step) await node.removeFile(step.remove)
      else told.push(await runLine(node, step.modprobe))
    }
    lines[name] = told
  }
  return lines
}

/** Runs one command line of modprobe; answers what was said and what is loaded then. */
export async function runLine(node: TargetNode, line: string): Promise<Json> {
  const before = (await node.dmesg()).length
  const { status, stdout, stderr } = await node.modprobe(line.split(' '))
  const dmesg = keepModuleLines((await node.dmesg()).slice(before)).filter((each) => !isCounting(each))
  const loaded = (await node.loadedModules(['dummy', 'ifb'])).map(
    ({ name, taint, refcnt, holders, parameters, srcversion }) =>
      `${name} ${srcversion} ${taint} ${refcnt} [${holders.join(' ')}] ${JSON.stringify(parameters)}`,
  )
  return { line, status, stdout, stderr: stderr.map(withoutPointers), dmesg, loaded }
}
