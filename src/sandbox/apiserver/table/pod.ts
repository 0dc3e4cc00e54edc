import type { ApiObject } from '../object.ts'
import { ageColumn, column, dig, digList, digNumber, digText, nameColumn, orNone, wide, type Column } from './column.ts'
import { formatAge } from './duration.ts'

type Container = Record<string, unknown>

/** What kubectl shows of a pod's containers: how many are ready, how often they restarted, and the word for it all. */
interface Summary {
  ready: number
  status: string
  restarts: number
  lastRestart: string
}

function describeTermination(container: Container): string | undefined {
  const terminated = dig(container, 'state', 'terminated')
  if (terminated === undefined) return undefined
  const reason = digText(terminated, 'reason')
  if (reason !== '') return reason
  const signal = digNumber(terminated, 'signal')
  return signal === 0 ? `ExitCode:${digNumber(terminated, 'exitCode')}` : `Signal:${signal}`
}

/** The state of the first init container that is not done; undefined when all are. */
function describeInit(pod: ApiObject): string | undefined {
  const total = digList(pod, 'spec', 'initContainers').length
  for (const [index, container] of digList(pod, 'status', 'initContainerStatuses').entries()) {
    const terminated = dig(container, 'state', 'terminated')
    if (terminated !== undefined && digNumber(terminated, 'exitCode') === 0) continue
    const ended = describeTermination(container)
    if (ended !== undefined) return `Init:${ended}`
    const waiting = digText(container, 'state', 'waiting', 'reason')
    if (waiting !== '' && waiting !== 'PodInitializing') return `Init:${waiting}`
    return `Init:${index}/${total}`
  }
  return undefined
}

const isRunning = (container: Container): boolean =>
  dig(container, 'ready') === true && dig(container, 'state', 'running') !== undefined

/** The word of the first container that has one; a running container says nothing. */
function describeContainers(pod: ApiObject, containers: readonly Container[]): string | undefined {
  const words = containers.map((container) => {
    const waiting = digText(container, 'state', 'waiting', 'reason')
    return waiting === '' ? describeTermination(container) : waiting
  })
  const status = words.find((word) => word !== undefined)
  if (status !== 'Completed' || !containers.some(isRunning)) return status
  return hasCondition(pod, 'Ready') ? 'Running' : 'NotReady'
}

function hasCondition(pod: ApiObject, type: string): boolean {
  return digList(pod, 'status', 'conditions').some((each) => each['type'] === type && each['status'] === 'True')
}

function basicStatus(pod: ApiObject): string {
  const gated = digList(pod, 'status', 'conditions').some(
    (each) => each['type'] === 'PodScheduled' && each['reason'] === 'SchedulingGated',
  )
  return digText(pod, 'status', 'reason') || (gated ? 'SchedulingGated' : digText(pod, 'status', 'phase'))
}

function statusOf(pod: ApiObject, containers: readonly Container[]): string {
  const phase = digText(pod, 'status', 'phase')
  if (pod.metadata.deletionTimestamp !== undefined) {
    if (digText(pod, 'status', 'reason') === 'NodeLost') return 'Unknown'
    if (phase !== 'Succeeded' && phase !== 'Failed') return 'Terminating'
  }
  return describeInit(pod) ?? describeContainers(pod, containers) ?? basicStatus(pod)
}

function summarize(pod: ApiObject): Summary {
  const containers = digList(pod, 'status', 'containerStatuses')
  const restarted = describeInit(pod) === undefined ? containers : digList(pod, 'status', 'initContainerStatuses')
  const times = restarted.map((each) => digText(each, 'lastState', 'terminated', 'finishedAt')).sort()
  return {
    ready: containers.filter(isRunning).length,
    status: statusOf(pod, containers),
    restarts: restarted.reduce((sum, each) => sum + digNumber(each, 'restartCount'), 0),
    lastRestart: times.at(-1) ?? '',
  }
}

function formatRestarts(pod: ApiObject, nowMs: number): string {
  const { restarts, lastRestart } = summarize(pod)
  if (restarts === 0 || lastRestart === '') return String(restarts)
  return `${restarts} (${formatAge(lastRestart, nowMs)} ago)`
}

function formatGates(pod: ApiObject): string {
  const gates = digList(pod, 'spec', 'readinessGates')
  const passed = gates.filter((gate) => hasCondition(pod, digText(gate, 'conditionType'))).length
  return gates.length === 0 ? '<none>' : `${passed}/${gates.length}`
}

/** The columns of pods. */
export const podColumns: readonly Column[] = [
  nameColumn,
  column('Ready', (pod) => `${summarize(pod).ready}/${digList(pod, 'spec', 'containers').length}`),
  column('Status', (pod) => summarize(pod).status),
  column('Restarts', formatRestarts),
  ageColumn,
  wide('IP', (pod) => orNone(digText(pod, 'status', 'podIP'))),
  wide('Node', (pod) => orNone(digText(pod, 'spec', 'nodeName'))),
  wide('Nominated Node', (pod) => orNone(digText(pod, 'status', 'nominatedNodeName'))),
  wide('Readiness Gates', formatGates),
]
