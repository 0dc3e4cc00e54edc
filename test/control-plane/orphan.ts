/** Starts a control plane in the folder that it is given and says so; the test then kills this process. */
import { startControlPlane } from '../../src/sandbox/kubernetes/control-plane.ts'
import { findTestBinaries } from './binaries.ts'

const [, , folder = ''] = process.argv
await startControlPlane({ binaries: await findTestBinaries(), folder })
process.stdout.write('up\n')
