import type { WebhookConversion } from '../conversion/webhook-conversion.ts'
import type { StoreEvent } from '../history.ts'
import type { ApiObject } from '../object.ts'
import type { ServedResource } from '../registry.ts'
import type { WatchStream } from './watch-stream.ts'

/** The way from the store to a watch, on which objects become what the version shows. The order stays as it is. */
export interface Outlet {
  object(object: ApiObject, send: (shown: ApiObject) => void): void
  event(event: StoreEvent, send: (shown: StoreEvent) => void): void
  /** A line that is ready, such as a bookmark. */
  line(line: string): void
}

/** Opens the way: at once, or one event after the other where each has to wait for a webhook. */
export function openOutlet({ webhook }: ServedResource, stream: WatchStream): Outlet {
  return webhook === undefined ? openDirect(stream) : openWaiting(webhook, stream)
}

const openDirect = (stream: WatchStream): Outlet => ({
  object: (object, send) => send(object),
  event: (event, send) => send(event),
  line: (line) => stream.send(line),
})

/** What cannot be converted ends the watch without a word, as the real server's watch cache does. */
function openWaiting(webhook: WebhookConversion, stream: WatchStream): Outlet {
  let last = Promise.resolve()
  let isOver = false
  stream.onClose(() => {
    isOver = true
  })
  const enqueue = (work: () => Promise<void>): void => {
    last = last.then(() => (isOver ? undefined : work())).catch(() => stream.end())
  }
  return {
    object: (object, send) => enqueue(async () => send(await webhook.fromCache(object))),
    event: (event, send) => enqueue(async () => send(await showEvent(event, webhook))),
    line: (line) => enqueue(async () => stream.send(line)),
  }
}

async function showEvent(event: StoreEvent, webhook: WebhookConversion): Promise<StoreEvent> {
  const { before, ...rest } = event
  const object = await webhook.fromCache(event.object)
  return { ...rest, object, ...(before === undefined ? {} : { before: await webhook.fromCache(before) }) }
}
