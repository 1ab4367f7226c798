import { Type } from 'typebox'
import { rebalanceId, refuseOther } from '../../cluster/movement.ts'
import type { TaskView } from '../../cluster/task-view.ts'
import { ShoalError } from '../../common/errors.ts'
import { define } from '../route.ts'
import type { Services } from '../services.ts'
import { Name, Nullable, TaskSchema } from './schemas.ts'

const ByTask = Type.Object({ id: Name })

const Limit = Type.Integer({ minimum: 1, maximum: 65_536, description: 'members at the same time' })

const Rate = Type.Integer({ minimum: 0, maximum: 2 ** 40, description: 'bytes/s; 0: no bound' })

const LimitsSchema = Type.Object({
  paused: Type.Boolean(),
  per_disk: Type.Integer(),
  per_peer: Type.Integer(),
  total: Type.Integer(),
  disk_rate: Type.Integer(),
  peer_rate: Type.Integer(),
})

export const taskRoutes = {
  'task.list': define(
    {
      summary: 'Long work: of this peer, and what moves in the whole cluster',
      reply: Type.Array(TaskSchema),
      isOpen: true,
    },
    ({ services }) => services.tasks(),
  ),
  'task.show': define(
    { summary: 'Show a task', params: ByTask, reply: TaskSchema },
    ({ services, params }) => findTask(services, params.id),
  ),
  'task.pause': define(
    { summary: 'Let nothing begin to move', params: ByTask, reply: LimitsSchema },
    ({ services, params }) => pause(services, params.id, true),
  ),
  'task.resume': define(
    { summary: 'Go on', params: ByTask, reply: LimitsSchema },
    ({ services, params }) => pause(services, params.id, false),
  ),
  'task.limits': define(
    { summary: 'Show how much moves at once', params: ByTask, reply: LimitsSchema },
    ({ services, params }) => {
      refuseOther(params.id)
      return services.movement.limits()
    },
  ),
  'task.set': define(
    {
      summary: 'Set how much moves at once, and how fast',
      params: ByTask,
      body: Type.Object({
        per_disk: Nullable(Limit),
        per_peer: Nullable(Limit),
        total: Nullable(Limit),
        disk_rate: Type.Optional(Nullable(Rate)),
        peer_rate: Type.Optional(Nullable(Rate)),
      }),
      reply: LimitsSchema,
    },
    ({ services, params, body }) => {
      refuseOther(params.id)
      return services.movement.throttle(body)
    },
  ),
}

async function pause(services: Services, id: string, isPaused: boolean) {
  refuseOther(id)
  await services.movement.pause(isPaused)
  return services.movement.limits()
}

async function findTask(services: Services, id: string): Promise<TaskView> {
  const found = (await services.tasks()).find(task => task.id === id)
  if (found) return found
  if (id === rebalanceId) return services.movement.atRest()
  throw new ShoalError('not_found', `there is no task ${id}`, {
    why: 'it is done, or it was never begun',
    next: 'shoal task list names them all',
  })
}
