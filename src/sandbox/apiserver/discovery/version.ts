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
