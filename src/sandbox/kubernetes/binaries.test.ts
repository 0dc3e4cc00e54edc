import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findBinaries, type KubernetesBinaries } from './binaries.ts'
import { readSources } from './build.ts'

let folder = ''
let told: string[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kmm-binaries-'))
  told = []
})
afterEach(() => rmSync(folder, { recursive: true }))

const kubernetes = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler']

/** Programs that say a version. */
function install(name: string, version: string, commands: readonly string[] = ['etcd', ...kubernetes]): string {
  const bin = join(folder, name)
  mkdirSync(bin, { recursive: true })
  for (const command of commands) {
    const words = command === 'etcd' ? 'etcd Version: 3.6.8' : `Kubernetes ${version}`
    writeFileSync(join(bin, command), `#!${process.execPath}\nconsole.log('${words}')\n`, { mode: 0o755 })
  }
  return bin
}

const find = (environment: Record<string, string>, root = '.'): Promise<KubernetesBinaries> =>
  findBinaries({ environment, home: folder, root, tell: (line) => void told.push(line) })

describe('the control plane is that', () => {
  it('of KUBEBUILDER_ASSETS, before any other', async () => {
    const assets = install('assets', 'v1.35.0')
    const found = await find({ KUBEBUILDER_ASSETS: assets, PATH: install('bin', 'v1.36.0') })
    expect(found).toMatchObject({ version: 'v1.35.0', paths: { etcd: join(assets, 'etcd') } })
    expect(found.origin).toContain('KUBEBUILDER_ASSETS')
  })

  it('in PATH, wherever each program is', async () => {
    const PATH = `${install('a', '', ['etcd'])}:${install('b', 'v1.34.1', kubernetes)}`
    const found = await find({ PATH })
    expect(found).toMatchObject({ version: 'v1.34.1', origin: 'PATH' })
    expect(found.paths.etcd).toBe(join(folder, 'a/etcd'))
    expect(told).toEqual([])
  })

  it('that was built before, and what is in PATH and too old is told', async () => {
    const { version, digest } = await readSources('test/cluster')
    const bin = join(folder, 'cache/kubernetes', version)
    mkdirSync(bin, { recursive: true })
    writeFileSync(join(bin, 'sources'), digest)
    const found = await find({ KMM_CACHE: join(folder, 'cache'), PATH: install('old', 'v1.33.9') })
    expect(found).toMatchObject({ version, paths: { etcd: join(bin, 'bin/etcd') }, kubelet: join(bin, 'bin/kubelet') })
    expect(told).toHaveLength(1)
    expect(told[0]).toContain('is Kubernetes v1.33.9, and 1.34 or later is needed')
  })
})

describe('no control plane is taken', () => {
  it('from KUBEBUILDER_ASSETS that lack a program', async () => {
    const KUBEBUILDER_ASSETS = install('assets', 'v1.36.0', ['etcd', 'kube-apiserver'])
    await expect(find({ KUBEBUILDER_ASSETS, PATH: install('bin', 'v1.36.0') })).rejects.toThrow(
      /has no kube-controller-manager, kube-scheduler: correct KUBEBUILDER_ASSETS or unset it/,
    )
  })

  it('from KUBEBUILDER_ASSETS that are something else', async () => {
    const KUBEBUILDER_ASSETS = install('assets', 'is not what this is')
    await expect(find({ KUBEBUILDER_ASSETS })).rejects.toThrow(/is no kube-apiserver: it says "Kubernetes is not/)
  })

  it('where there is nothing and no Go: what to install is said', async () => {
    await expect(find({ PATH: folder })).rejects.toThrow(/there is no Go: install Go 1\.26 or later/)
  })

  it('where there is nothing to build it from', async () => {
    await expect(find({ PATH: folder }, folder)).rejects.toThrow(/test\/cluster, from which one could be built/)
  })
})
