import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createSandboxGetCommand, findSandboxKubeconfig } from './sandbox-get.ts'
import { createSandboxUpCommand, planNodes } from './sandbox-up.ts'

let lines: string[] = []
let first: Promise<string>
let stop: AbortController
let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kmm-cli-'))
  stop = new AbortController()
  lines = []
})
afterEach(() => {
  stop.abort()
  rmSync(folder, { recursive: true, force: true })
})

function up(...argv: string[]): Promise<unknown> {
  let tell: (line: string) => void
  first = new Promise((resolve) => {
    tell = resolve
  })
  const write = (line: string): void => {
    lines.push(line)
    tell(line)
  }
  const command = createSandboxUpCommand({
    root: '.',
    program: 'node kmm.js',
    environment: {},
    home: folder,
    write,
    createStopSignal: () => stop.signal,
  })
  return command.exitOverride().configureOutput({ writeErr: write }).parseAsync(argv, { from: 'user' })
}

async function get(...argv: string[]): Promise<string> {
  const printed: string[] = []
  const options = { write: (line: string) => void printed.push(line), environment: {}, temporaryFolder: folder }
  await createSandboxGetCommand(options).parseAsync(argv, { from: 'user' })
  return printed.join('\n')
}

interface Up {
  kubeconfig: string
  registry: string
  nodes: { name: string; kernel: string }[]
}

describe('kmm sandbox up', () => {
  it('gives the kernels out in turn', () => {
    expect(planNodes(3, ['a', 'b']).map(({ name, kernel }) => `${name} ${kernel}`)).toEqual([
      'node-1 a',
      'node-2 b',
      'node-3 a',
    ])
    expect(planNodes(1, [])[0]!.kernel).toBe('6.1.0-56-amd64')
  })

  it('prints where everything is, stays until it is interrupted, and leaves nothing behind', async () => {
    const done = up('--nodes', '2', '--kernel', '6.1.0-55-amd64', '--json')
    const { kubeconfig, registry, nodes } = JSON.parse(await first) as Up
    expect(nodes).toEqual([
      { name: 'node-1', kernel: '6.1.0-55-amd64' },
      { name: 'node-2', kernel: '6.1.0-55-amd64' },
    ])
    expect((await fetch(`http://${registry}/v2/`)).status).toBe(200)
    expect(await get('nodes', '--kubeconfig', kubeconfig)).toMatch(/^NAME +STATUS +ROLES[^]*node-1 +Ready +worker/)
    expect(await get('no', 'node-2', '--kubeconfig', kubeconfig)).not.toContain('node-1')
    expect(await get('Module', '--kubeconfig', kubeconfig)).toBe('No resources found in default namespace.')
    expect(await get('sa', '-A', '--kubeconfig', kubeconfig)).toMatch(/^NAMESPACE +NAME[^]*kube-system +default/)
    await expect(get('nodes', 'none', '--kubeconfig', kubeconfig)).rejects.toThrow('nodes "none" not found')
    await expect(get('nonsense', '--kubeconfig', kubeconfig)).rejects.toThrow('the server has no resource "nonsense"')
    stop.abort()
    await done
    expect(lines.at(-1)).toBe('{"event":"down"}')
    expect(() => readFileSync(kubeconfig)).toThrow('ENOENT')
  })

  it('tells a person what to type next', async () => {
    const done = up('--nodes', '1')
    await first
    stop.abort()
    await done
    const text = lines.join('\n')
    expect(text).toMatch(/^ {2}OPERATOR_NAMESPACE=\S+ node kmm\.js operator$/m)
    expect(text).toContain('export RELATED_IMAGE_WORKER=kmm-worker:sandbox RELATED_IMAGE_BUILD=kmm-builder:sandbox')
    expect(text).toMatch(/^ {2}node kmm\.js sandbox get nodes/m)
    expect(lines.at(-1)).toBe('The sandbox is gone.')
  })

  it.each([
    ['--nodes', '0', 'give a number from 1 to 1000'],
    ['--kernel', '../x', 'give a kernel release as uname -r prints it'],
    ['--node-kernel', '6.1.0-56-amd64', 'give qemu: and the release of a Debian kernel'],
    ['--node-kernel', 'qemu:../x', 'give qemu: and the release of a Debian kernel'],
  ])('refuses %s %s', async (flag, value, words) => {
    await expect(up(flag, value)).rejects.toThrow(words)
  })
})

describe('kmm sandbox get', () => {
  it('finds the sandbox that was started last', () => {
    expect(findSandboxKubeconfig(folder)).toBeUndefined()
    for (const [index, name] of ['kmm-sandbox-a', 'kmm-sandbox-b', 'other'].entries()) {
      mkdirSync(join(folder, name))
      writeFileSync(join(folder, name, 'kubeconfig'), '')
      utimesSync(join(folder, name, 'kubeconfig'), 100 - index, 100 - index)
    }
    expect(findSandboxKubeconfig(folder)).toBe(join(folder, 'kmm-sandbox-a/kubeconfig'))
  })

  it('says what to do when no sandbox is up', async () => {
    await expect(get('nodes')).rejects.toThrow('no sandbox is up: start one with kmm sandbox up')
  })
})
