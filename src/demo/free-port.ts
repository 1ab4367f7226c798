// Ports for the peers of a demo: below the range from which the kernel takes ports for connections,
// so that a peer finds its port free when it is started again.
import { createServer } from 'node:net'
import { ShoalError } from '../common/errors.ts'
import type { Random } from '../common/random.ts'

const portMin = 20_000
const portMax = 32_000
const triesMax = 200

export async function freePorts(count: number, random: Random): Promise<number[]> {
  const ports = new Set<number>()
  for (let tries = 0; ports.size < count; tries++) {
    if (tries >= triesMax + count)
      throw new ShoalError('busy', `no free ports between ${portMin} and ${portMax} were found`)
    const port = portMin + Math.floor(random.fraction() * (portMax - portMin))
    if (!ports.has(port) && (await isFree(port))) ports.add(port)
  }
  return [...ports]
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
