/** What an image is built from. */
export interface BuildRequest {
  /** On this computer; the folder that it is in is the context. */
  dockerfile: string
  /** `NAME=VALUE` each. */
  buildArgs: readonly string[]
  labels: readonly string[]
  /** Folders of this computer, and where the steps see them; they cannot be written. */
  volumes: readonly { source: string; target: string }[]
  architecture: string | undefined
}

/** How registries are talked to. */
export interface RegistryAccess {
  /** Text of the file of credentials, in Docker's format. */
  auth: string
  /** Text of the registries.conf (containers-registries.conf(5)). */
  registries: string
}

/** What makes an image from a Dockerfile. Its failures are BuildErrors with the end of what it printed. */
export interface Builder {
  /** Builds one image, which it keeps until it is removed. */
  build(request: BuildRequest, access: RegistryAccess): Promise<void>
  /** Pushes the image that was built to `registry/repository:tag` and answers its digest. */
  push(target: string, access: RegistryAccess): Promise<string>
  /** Removes everything that it has left on the disk. */
  remove(): Promise<void>
}
