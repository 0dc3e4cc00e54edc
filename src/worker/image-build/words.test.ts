import { describe, expect, it } from 'vitest'
import { findBuildFailure } from './words.ts'

/** What buildah 1.28.2 printed last, recorded from it; names of hosts and folders are made short. */
const recorded: [what: string, phase: 'build' | 'push', words: string, reason: string, message: RegExp][] = [
  [
    'a user namespace of one user, for want of subordinate ids or of rights for newuidmap',
    'build',
    'STEP 2/2: RUN id\nerror setting supplemental groups list: operation not permittedsubprocess exited with status 1\nError: building at STEP "RUN id": exit status 1',
    'BuilderUnavailable',
    /^the builder may not do here what it has to: error setting supplemental groups list: operation not permitted.*use KMM's builder image/,
  ],
  [
    'no user namespaces',
    'build',
    'Error during unshare(CLONE_NEWUSER): Operation not permitted\ntime="2026-11-21T15:38:49Z" level=error msg="parsing PID \\"\\": strconv.Atoi: parsing \\"\\": invalid syntax"\ntime="2026-11-21T15:38:49Z" level=error msg="(Unable to determine exit status)"',
    'BuilderUnavailable',
    /Error during unshare\(CLONE_NEWUSER\): Operation not permitted; use/,
  ],
  [
    'mounts that are not to be made',
    'build',
    'error running subprocess: bind mounting /sys from host into mount namespace: no such file or directory\nError: building at STEP "RUN id": exit status 1',
    'BuilderUnavailable',
    /bind mounting \/sys/,
  ],
  [
    'root without capabilities',
    'build',
    'time="2026-11-21T15:04:06Z" level=error msg="writing \\"0 0 4294967295\\\\n\\" to /proc/30587/gid_map: write /proc/30587/gid_map: operation not permitted"\ntime="2026-11-21T15:04:06Z" level=error msg="(Unable to determine exit status)"',
    'BuilderUnavailable',
    /write \/proc\/30587\/gid_map: operation not permitted/,
  ],
  [
    'a user whom nobody knows',
    'build',
    'time="2026-11-21T15:04:45Z" level=error msg="error determining current user: user: unknown userid 12345"',
    'BuilderUnavailable',
    /unknown userid 12345/,
  ],
  [
    'no space for a base image',
    'build',
    'time="2026-11-21T15:03:59Z" level=error msg="While applying layer: ApplyLayer stdout:  stderr: write /bin/busybox: no space left on device exit status 1"\nError: creating build container: writing blob: adding layer with blob "sha256:fb27": ApplyLayer stdout:  stderr: write /bin/busybox: no space left on device exit status 1',
    'OutOfSpace',
    /^no space is left for the build: .*write \/bin\/busybox/,
  ],
  [
    'no space for a step',
    'build',
    'dd: error writing \'/x\': No space left on device\nsubprocess exited with status 1\nsubprocess exited with status 1\ntime="2026-11-21T15:03:59Z" level=error msg="error unmounting container: saving updated state for build container \\"aa5a\\": no space left on device"\nError: building at STEP "RUN dd if=/dev/zero of=/x bs=1M count=10": exit status 1',
    'OutOfSpace',
    /free some on the node/,
  ],
  [
    'no space for the image',
    'build',
    'Error: committing container for step {Env:[PATH=/bin] Command:run}: copying layers and metadata for container "2c22": writing blob: adding layer with blob "sha256:d8d1": creating layer with ID "1ab9": no space left on device',
    'OutOfSpace',
    /creating layer with ID/,
  ],
  [
    'a step that was killed',
    'build',
    'STEP 2/2: RUN kill -9 $$\nsubprocess exited on killed\nsubprocess exited with status 1\nError: building at STEP "RUN kill -9 $$": exit status 1',
    'BuildFailed',
    /^the step "RUN kill -9 \$\$" of the Dockerfile ended with exit status 1$/,
  ],
  [
    'a step that says nothing, of an image that was pulled before it',
    'build',
    '[1/2] STEP 1/2: FROM registry:5000/base:1 AS a\nTrying to pull registry:5000/base:1...\nGetting image source signatures\nCopying blob sha256:fb27\nCopying config sha256:9c1e\nWriting manifest to image destination\nStoring signatures\n[1/2] STEP 2/2: RUN grep -q a /b\nsubprocess exited with status 1\nsubprocess exited with status 1\nError: building at STEP "RUN grep -q a /b": exit status 1',
    'BuildFailed',
    /^the step "RUN grep -q a \/b" of the Dockerfile ended with exit status 1$/,
  ],
  [
    'a step that compiles in vain',
    'build',
    'STEP 3/4: RUN make\nmake: *** No rule to make target.  Stop.\nsubprocess exited with status 2\nError: building at STEP "RUN make": exit status 2',
    'BuildFailed',
    /^the step "RUN make" of the Dockerfile ended with exit status 2; its last words: make: \*\*\* No rule to make target\. {2}Stop\.$/,
  ],
  [
    'a step that cannot reach a registry of packages',
    'build',
    'curl: (7) dial tcp 10.0.0.1:443: connection refused\nsubprocess exited with status 7\nError: building at STEP "RUN curl https://x": exit status 7',
    'BuildFailed',
    /exit status 7; its last words: curl/,
  ],
  [
    'a copy of what is not there',
    'build',
    '[2/2] STEP 2/2: COPY --from=a /nofile /x\nError: building at STEP "COPY --from=a /nofile /x": checking on sources under "/store/vfs/dir/1177": copier: stat: "/nofile": no such file or directory',
    'BuildFailed',
    /^the step "COPY --from=a \/nofile \/x" of the Dockerfile failed: nothing to copy: "\/nofile"/,
  ],
  [
    'a copy from a stage that is not there',
    'build',
    'Trying to pull docker.io/library/nostage:latest...\nError: COPY --from=nostage: no stage or image found with that name',
    'ImageNotFound',
    /nostage/,
  ],
  [
    'an empty Dockerfile',
    'build',
    'Error: building: no stages to build',
    'BuildFailed',
    /^the Dockerfile is not valid/,
  ],
  [
    'a base image that is missing',
    'build',
    'Error: creating build container: initializing source docker://r.example/base/none:1: reading manifest 1 in r.example/base/none: manifest unknown: manifest unknown: base/none:1',
    'ImageNotFound',
    /^the base image r\.example\/base\/none:1 is not in its registry/,
  ],
  [
    'a registry whose name nobody knows',
    'build',
    'Error: creating build container: initializing source docker://nohost.invalid/base/bb:1: pinging container registry nohost.invalid: Get "https://nohost.invalid/v2/": dial tcp: lookup nohost.invalid on 10.0.0.53:53: no such host',
    'RegistryUnreachable',
    /^the registry of the base image nohost\.invalid\/base\/bb:1 cannot be asked/,
  ],
  [
    'a registry that refuses a base image',
    'build',
    'Error: creating build container: initializing source docker://r.example/base/bb:1: reading manifest 1 in r.example/base/bb: unauthorized: authentication required',
    'RegistryUnauthorized',
    /imageRepoSecret/,
  ],
  [
    'a registry that refuses the push',
    'push',
    'Error: pushing image "sha256:1908" to "docker://r.example/out/x:1": writing blob: initiating layer upload to /v2/out/x/blobs/uploads/ in r.example: denied',
    'RegistryUnauthorized',
    /^the registry refuses the push: "docker:\/\/r\.example\/out\/x:1": writing blob/,
  ],
  [
    'a registry that does not listen to the push',
    'push',
    'Error: pushing image "sha256:1908" to "docker://r.example:1/out/x:1": trying to reuse blob sha256:f100 at destination: pinging container registry r.example:1: Get "https://r.example:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused',
    'RegistryUnreachable',
    /^the registry cannot be pushed to/,
  ],
  [
    'a registry that does not take the image',
    'push',
    'Error: pushing image "sha256:1908" to "docker://r.example/out/x:1": uploading manifest 1 to r.example/out/x: manifest invalid',
    'ImageInvalid',
    /^the registry does not take the image: .*manifest invalid$/,
  ],
  ['anything else', 'build', 'Error: the moon is full', 'BuildFailed', /^the builder failed: the moon is full$/],
  ['silence', 'push', '', 'ImageInvalid', /does not take the image/],
]

describe('the words of buildah', () => {
  it.each(recorded)('tell of %s', (_what, ...[phase, words, reason, message]) => {
    const finding = findBuildFailure(phase, words === '' ? [] : words.split('\n'))
    expect(finding.reason).toBe(reason)
    expect(finding.message).toMatch(message)
  })

  it('name the image that is meant', () => {
    const words = (image: string): string[] => [
      `Error: creating build container: initializing source docker://${image}: reading manifest 1 in r/x: unauthorized`,
    ]
    for (const image of ['r.example:5000/base/bb:1', 'busybox:latest', `r.example/a@sha256:${'a'.repeat(64)}`])
      expect(findBuildFailure('build', words(image)).image).toBe(image)
  })

  it('are cut where they are long', () => {
    const finding = findBuildFailure('build', [`Error: building at STEP "RUN ${'x'.repeat(5000)}": exit status 1`])
    expect(finding.message.length).toBeLessThan(500)
  })
})
