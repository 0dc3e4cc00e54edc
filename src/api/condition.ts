import { type Infer, integer, list, object, optional, string, time, word } from './schema/builder.ts'

const condition = object({
  lastTransitionTime: time('When the status last changed.'),
  message: string('What is the case, why, and what to do about it.'),
  observedGeneration: optional(integer('The generation that this is about.', { format: 'int64' })),
  reason: string('One word for the message.'),
  status: word(['True', 'False', 'Unknown']),
  type: string('What the condition is about.'),
})
/** A condition of an object, as Kubernetes has them. */
export type Condition = Infer<typeof condition>

/** The conditions of an object, one of each type. */
export const conditions = list(condition, 'What is the case, by type.', { keys: ['type'] })
