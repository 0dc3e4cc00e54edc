import type { ExecPlugin } from './exec-plugin.ts'

/** How to reach one API server and as whom. */
export interface ConnectionSettings {
  /** http or https, without a slash at the end; may have a path. */
  server: string
  /** PEM; the system's authorities when absent. */
  certificateAuthority?: string
  /** PEM. */
  clientCertificate?: { certificate: string; key: string }
  token?: string
  /** Read again every minute and whenever the server answers 401; wins over `token` while it can be read. */
  tokenFile?: string
  /** Gives token or certificate where there is neither here. */
  exec?: ExecPlugin
  insecureSkipTlsVerify: boolean
  /** Checked against the server's certificate in place of the URL's host. */
  tlsServerName?: string
  /** http or https proxy. */
  proxyUrl?: string
  /** The namespace that commands use when none is named. */
  namespace?: string
}
