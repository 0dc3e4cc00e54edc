import type { ImageAction, JobEvent } from './action.ts'
import type { Job } from './job/job.ts'
import type { ObservedImage } from './observed.ts'

const verbs = { BuildImage: 'Build', SignImage: 'Sign' } as const
const nouns = { BuildImage: 'build', SignImage: 'signing' } as const

function listEvents({ type, image, name, state, attempt }: Job): JobEvent[] {
  const what = `${nouns[type]} of ${image} in pod ${name}${attempt > 1 ? `, attempt ${attempt}` : ''}`
  const created: JobEvent = { reason: `${verbs[type]}Created`, message: what }
  if (state.kind === 'succeeded') return [created, { reason: `${verbs[type]}Succeeded`, message: what }]
  if (state.kind === 'failed')
    return [created, { reason: `${verbs[type]}Failed`, message: `${what}: ${state.message}` }]
  return [created]
}

/** What has not been said yet on the Module of the pods of an image. An Event's name is that of its happening: said twice, it is one. */
export function announce({ config, jobs, facts }: ObservedImage): ImageAction[] {
  return jobs
    .filter(({ hash }) => hash !== '')
    .flatMap((job) =>
      listEvents(job)
        .filter(({ reason }) => !facts.announced.has(`${job.uid} ${reason}`))
        .map((event): ImageAction => ({ type: 'recordEvent', config, job, event })),
    )
}
