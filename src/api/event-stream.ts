// GET /v1/events: events of the cluster as they happen (server-sent events). A client that comes
// back with Last-Event-ID gets what it missed, as far as the cluster still remembers it.
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { EventRecord } from '../data/state.ts'
import type { Services } from './services.ts'

const batchMax = 1000

export async function eventStream(
  services: Services,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  services.requireCluster()
  const sent = await firstId(services, request)
  reply.hijack()
  reply.raw.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
  })
  reply.raw.write(': events of this cluster\n\n')
  follow(
    services,
    sent,
    text => reply.raw.write(text),
    stop => reply.raw.on('close', stop),
  )
}

/** Sends what is new at every change; one look at a time. */
function follow(
  services: Services,
  after: number,
  write: (text: string) => void,
  onClose: (stop: () => void) => void,
): void {
  let sent = after
  let isLooking = false
  let isAgain = false
  const look = async () => {
    if (isLooking) {
      isAgain = true
      return
    }
    isLooking = true
    do {
      isAgain = false
      const events = await services.events({ after: sent, limit: batchMax }).catch(() => [])
      for (const event of events) write(format(event))
      sent = events.at(-1)?.id ?? sent
    } while (isAgain)
    isLooking = false
  }
  const stop = services.onChange(() => void look())
  onClose(stop)
  void look()
}

async function firstId(services: Services, request: FastifyRequest): Promise<number> {
  const last = Number(request.headers['last-event-id'])
  if (Number.isInteger(last) && last >= 0) return last
  const events = await services.events({ after: 0, limit: batchMax })
  return events.at(-1)?.id ?? 0
}

function format(event: EventRecord): string {
  return `id: ${event.id}\nevent: ${event.severity}\ndata: ${JSON.stringify(event)}\n\n`
}
