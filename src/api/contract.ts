// All routes, and what they mean for a client. Clients import the type alone, so that the schemas
// are never loaded by the command line.
import type { EndpointName } from './endpoints.ts'
import type { ContractOf } from './route.ts'
import { clusterRoutes } from './routes/cluster.ts'
import { deviceRoutes } from './routes/devices.ts'
import { diskRoutes } from './routes/disks.ts'
import { doctorRoutes } from './routes/doctor.ts'
import { placementRoutes } from './routes/placement.ts'
import { policyRoutes } from './routes/policies.ts'
import { scrubRoutes } from './routes/scrubs.ts'
import { statusRoutes } from './routes/status.ts'
import { taskRoutes } from './routes/tasks.ts'
import { volumeRoutes } from './routes/volumes.ts'

export const routes = {
  ...clusterRoutes,
  ...diskRoutes,
  ...policyRoutes,
  ...placementRoutes,
  ...scrubRoutes,
  ...volumeRoutes,
  ...deviceRoutes,
  ...statusRoutes,
  ...doctorRoutes,
  ...taskRoutes,
} satisfies Record<EndpointName, unknown>

export type Contract = ContractOf<typeof routes>
export type Reply<K extends EndpointName> = Contract[K]['reply']
