/** What `/version` answers: the Kubernetes release whose behaviour is imitated, marked as not the real one. */
export const serverVersion = {
  major: '1',
  minor: '34',
  gitVersion: 'v1.34.2-kmm-sandbox',
  gitCommit: '0000000000000000000000000000000000000000',
  gitTreeState: 'clean',
  buildDate: '2025-11-11T00:00:00Z',
  goVersion: 'none',
  compiler: 'none',
  platform: 'linux/amd64',
} as const
