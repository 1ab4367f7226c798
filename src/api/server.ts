// The REST API: routes, errors as problem+json, metrics, health, events as they happen.
import swagger from '@fastify/swagger'
import fastify, { type FastifyBaseLogger, type FastifyError, type FastifyInstance } from 'fastify'
import { ShoalError, toProblem, toShoalError } from '../common/errors.ts'
import { routes } from './contract.ts'
import { eventStream } from './event-stream.ts'
import { type RouteTable, register } from './route.ts'
import type { Services } from './services.ts'

const bodyBytesMax = 1024 * 1024
const metricsType = 'text/plain; version=0.0.4; charset=utf-8'

export async function createServer(
  services: Services,
  version: string,
  log?: FastifyBaseLogger,
): Promise<FastifyInstance> {
  const app: FastifyInstance = fastify({
    bodyLimit: bodyBytesMax,
    // Request logs would be the greater part of an idle peer's work.
    logController: new fastify.LogController({ disableRequestLogging: true }),
    forceCloseConnections: true,
    ...(log ? { loggerInstance: log } : {}),
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
  })
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const known = fromFastify(error)
    if (known.code === 'internal') request.log.error({ err: error, url: request.url })
    return reply.code(known.status).type('application/problem+json').send(toProblem(known))
  })
  app.setNotFoundHandler((request, reply) => {
    const error = new ShoalError('not_found', `there is no ${request.method} ${request.url}`, {
      next: 'GET /v1/openapi.json lists what there is',
    })
    return reply.code(error.status).type('application/problem+json').send(toProblem(error))
  })
  await app.register(swagger, {
    openapi: { openapi: '3.1.0', info: { title: 'Shoal', version } },
  })
  await app.register(async scope => {
    register(scope, routes as unknown as RouteTable, services)
    plainRoutes(scope, services)
  })
  return app
}

function plainRoutes(app: FastifyInstance, services: Services): void {
  const hidden = { schema: { hide: true } }
  app.get('/v1/openapi.json', hidden, async () => app.swagger())
  app.get('/v1/events', hidden, (request, reply) => eventStream(services, request, reply))
  app.get('/healthz', hidden, async () => ({ status: 'ok' }))
  app.get('/readyz', hidden, async (_request, reply) => {
    const isReady = services.isReady()
    return reply.code(isReady ? 200 : 503).send({ status: isReady ? 'ok' : 'starting' })
  })
  app.get('/metrics', hidden, async (_request, reply) =>
    reply.type(metricsType).send(await services.metrics()),
  )
}

function fromFastify(error: FastifyError): ShoalError {
  if (error instanceof ShoalError) return error
  if (error.validation || (error.statusCode !== undefined && error.statusCode < 500)) {
    return new ShoalError('bad_request', error.message, {
      why: 'the request does not have the form that this route takes',
      next: 'GET /v1/openapi.json describes it',
    })
  }
  const placement = error as unknown as { name: string; hint?: string }
  if (placement.name === 'PlacementError')
    return new ShoalError('conflict', error.message, { next: placement.hint ?? null })
  return toShoalError(error)
}
