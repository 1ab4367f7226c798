import { Type } from 'typebox'
import { define } from '../route.ts'
import { Nullable } from './schemas.ts'

const CheckSchema = Type.Object({
  name: Type.String(),
  result: Type.Enum(['ok', 'note', 'warn', 'error']),
  message: Type.String(),
  next: Nullable(Type.String()),
})

export const doctorRoutes = {
  'doctor.show': define(
    {
      summary: 'What of the machine, this peer and the cluster needs attention, the worst first',
      reply: Type.Object({ checks: Type.Array(CheckSchema) }),
      isOpen: true,
    },
    async ({ services }) => ({ checks: await services.doctor() }),
  ),
}
