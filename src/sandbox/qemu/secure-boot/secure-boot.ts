import { type BootOption, encodeBootOption } from './boot-option.ts'
import { encodeSignatureLists, type TrustedItem } from './signature-list.ts'
import { addVariables, type UefiVariable, variableAttributes } from './variable-store.ts'

const globalVariable = '8be4df61-93ca-11d2-aa0d-00e098032b8c'
const securityDatabase = 'd719b2cb-3d3a-4596-a3bc-dad00e67656f'
const secureBootEnable = 'f0a30bc7-af08-4556-99c4-001009c93a44'
/** Whoever put the keys there: this project. */
const owner = '3b9d0c5e-6f0e-4a3e-9d5c-0f2c6a7e51d8'

const { nonVolatile, bootServiceAccess, runtimeAccess, timeBasedAuthenticated } = variableAttributes
const ofFirmware = nonVolatile | bootServiceAccess
const ofEverybody = ofFirmware | runtimeAccess

/** What a machine with Secure Boot trusts and starts. */
export interface SecureBootInput {
  /** A fresh OVMF_VARS_4M.fd. */
  template: Buffer
  /** DER. Owner of the machine (PK and KEK), and trusted for programs and, by Linux, for kernel modules (db). */
  certificate: Buffer
  /** The Authenticode SHA-256 of programs that are trusted as they are, such as a distribution's kernel. */
  programs: readonly Buffer[]
  boot: BootOption
  nowMs: number
}

function keyVariable(name: string, vendor: string, items: readonly TrustedItem[]): UefiVariable {
  const data = encodeSignatureLists(items, owner)
  return { name, vendor, attributes: ofEverybody | timeBasedAuthenticated, data }
}

function bootVariables(boot: BootOption): UefiVariable[] {
  const common = { vendor: globalVariable, attributes: ofEverybody }
  return [
    { ...common, name: 'Boot0000', data: encodeBootOption(boot) },
    { ...common, name: 'BootOrder', data: Buffer.alloc(2) },
  ]
}

/** The flash image of a machine with Secure Boot on, one key and one program to start. */
export function makeSecureBootVariables({ template, certificate, programs, boot, nowMs }: SecureBootInput): Buffer {
  const key: TrustedItem = { x509: certificate }
  const trusted = [key, ...programs.map((sha256) => ({ sha256 }))]
  const variables: UefiVariable[] = [
    keyVariable('PK', globalVariable, [key]),
    keyVariable('KEK', globalVariable, [key]),
    keyVariable('db', securityDatabase, trusted),
    { name: 'SecureBootEnable', vendor: secureBootEnable, attributes: ofFirmware, data: Buffer.from([1]) },
    ...bootVariables(boot),
  ]
  return addVariables(template, variables, nowMs)
}
