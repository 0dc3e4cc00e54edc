/** What `/version` answers: the Kubernetes release whose behaviour is imitated, marked as not the real one. */
export const serverVersion = {
  major: '1',
  minor: '36',
  gitVersion: 'v1.36.2+kmm-sandbox',
  gitCommit: '0000000000000000000000000000000000000000',
  gitTreeState: 'clean',
  buildDate: '2026-06-10T00:00:00Z',
  goVersion: 'none',
  compiler: 'none',
  platform: 'linux/amd64',
} as const

/** The same for another release, as `v1.33.4`, of which no more is imitated than which kinds there are. */
export function versionOf(gitVersion: string = serverVersion.gitVersion) {
  const [, major = '1', minor = serverVersion.minor] = /^v(\d+)\.(\d+)/.exec(gitVersion) ?? []
  return { ...serverVersion, major, minor, gitVersion }
}
