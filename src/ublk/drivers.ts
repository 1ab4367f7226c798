// The kernel's drivers: as modules they are not there before somebody asks for them.
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'

const run = promisify(execFile)
const modprobeLimitMs = 10_000

const drivers = {
  ublk: { module: 'ublk_drv', shows: '/dev/ublk-control' },
  nbd: { module: 'nbd', shows: '/sys/module/nbd' },
}

/** `auto`: ublk, and nbd where there is no ublk. What fails here is told by the attach itself. */
export async function loadDriver(via: 'auto' | 'ublk' | 'nbd' | 'export'): Promise<void> {
  if (process.getuid?.() !== 0 || via === 'export') return
  if (via !== 'nbd' && (await load('ublk'))) return
  if (via !== 'ublk') await load('nbd')
}

async function load(name: keyof typeof drivers): Promise<boolean> {
  const { module, shows } = drivers[name]
  if (!existsSync(shows)) {
    await run('modprobe', [module], { timeout: modprobeLimitMs }).catch(() => undefined)
  }
  return existsSync(shows)
}
