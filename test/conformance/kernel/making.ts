import { existsSync, readFileSync } from 'node:fs'
import type { Build, Sign } from '../../../src/api/module.ts'
import { configMaps, secrets } from '../../../src/kube/core-resources.ts'
import type { LayerEntry } from '../../../src/sandbox/registry/types.ts'
import { exampleLayer } from './images.ts'
import type { Story } from './story.ts'

const signing = 'src/kmod/testdata/signing'

/** The certificate of the key that signs in the scenarios, PEM. */
export const signingCertificate = (): string => readFileSync(`${signing}/rsa.pem`, 'utf8')

/** Builds nothing: takes what is compiled in a base image. The image's name is that of the story's base images. */
export const plainDockerfile = (...steps: readonly string[]): string => `ARG BASE
ARG KERNEL_FULL_VERSION
FROM \${BASE}:\${KERNEL_FULL_VERSION} AS source
ARG KERNEL_FULL_VERSION
RUN test -f /opt/lib/modules/\${KERNEL_FULL_VERSION}/kmm_demo.ko && test -d /host/lib/modules
${steps.map((step) => `${step}\n`).join('')}
FROM scratch
COPY --from=source /opt /opt
`

const busybox = '/usr/bin/busybox'

/** Programs for the steps of a build. Where this computer has none a stand-in builds, which only wants to see the shell. */
function userland(): LayerEntry[] {
  if (!existsSync(busybox)) return [{ name: 'bin/sh', content: '', mode: 0o755 }]
  const links = ['sh', 'test', 'grep'].map(
    (name): LayerEntry => ({ name: `bin/${name}`, type: 'symlink', linkname: 'busybox' }),
  )
  return [{ name: 'bin/busybox', content: readFileSync(busybox), mode: 0o755 }, ...links]
}

/** Pushes an image with the compiled modules for each of the releases, to build from. */
export async function pushBases(story: Story, releases: readonly string[] = [story.release]): Promise<void> {
  const repository = `${story.name}-base`
  for (const tag of releases)
    await story.target.registry.push({ repository, tag, layers: [userland(), await exampleLayer('prebuilt', tag)] })
}

const dockerfileName = 'dockerfile'

export async function createDockerfile(story: Story, dockerfile = plainDockerfile()): Promise<void> {
  const metadata = { namespace: story.name, name: dockerfileName }
  await story.target.client.create(configMaps, { metadata, data: { dockerfile } })
}

export async function changeDockerfile(story: Story, dockerfile: string): Promise<void> {
  const key = { namespace: story.name, name: dockerfileName }
  await story.target.client.patch(configMaps, key, { type: 'merge', body: { data: { dockerfile } } })
}

export async function createSecret(
  story: Story,
  name: string,
  values: Readonly<Record<string, string>>,
): Promise<void> {
  const data = Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString('base64')])
  const metadata = { namespace: story.name, name }
  await story.target.client.create(secrets, { metadata, data: Object.fromEntries(data) as Record<string, string> })
}

/** How the Module builds: from the Dockerfile and the story's base images, on the story's own nodes. */
export function describeBuild(story: Story, more: Partial<Build> = {}): { build: Build } {
  const build = {
    dockerfileConfigMap: { name: dockerfileName },
    buildArgs: [{ name: 'BASE', value: `${story.target.registry.address}/${story.name}-base` }],
    baseImageRegistryTLS: { insecure: true },
    selector: { ...story.selector },
  }
  return { build: { ...build, ...more } }
}

/** How the Module signs, once there is the key in its namespace. */
export async function describeSign(story: Story, more: Partial<Sign> = {}): Promise<{ sign: Sign }> {
  await createSecret(story, 'key', { key: readFileSync(`${signing}/rsa.key`, 'utf8') })
  await createSecret(story, 'cert', { cert: signingCertificate() })
  return { sign: { keySecret: { name: 'key' }, certSecret: { name: 'cert' }, ...more } }
}
