// The only importer of the native addon. Its surface is a handful of functions; see
// native/crates/binding.
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { ShoalError } from './common/errors.ts'
import { programVersion } from './common/version.ts'

interface Addon {
  version(): string
  /** The whole life of the data process; resolves with its exit code. */
  runData(config: string): Promise<number>
  /** Ends this process at once, without the destructors of its libraries. */
  leave(code: number): never
  /** Starts a detached process that is marked as an I/O flusher; gives its pid. */
  spawnData(argv: string[], env: string[], logPath: string): number
  notify(socket: string, state: string): void
  peerCredentials(fd: number): { pid: number; uid: number; gid: number }
  /** Takes a device down with no daemon running; gives its path. */
  forceDetach(deviceDir: string, volume: string): string
}

const addonPath = join(import.meta.dirname, '../native/shoal.node')
let loaded: Addon | undefined

export function native(): Addon {
  loaded ??= checkVersion(load())
  return loaded
}

function load(): Addon {
  if (!existsSync(addonPath)) {
    throw new ShoalError('unsupported', 'the native part of Shoal is not built', {
      why: `there is no ${addonPath}`,
      next: 'in a checkout: npm run build',
    })
  }
  try {
    return createRequire(import.meta.url)(addonPath) as Addon
  } catch (thrown) {
    throw new ShoalError('unsupported', 'the native part of Shoal cannot be loaded', {
      why: thrown instanceof Error ? thrown.message.split('\n')[0]! : String(thrown),
      next: 'build it for this machine: npm run build',
    })
  }
}

/** Both sides of the seam change together: an addon of another build must not be half right. */
function checkVersion(addon: Addon): Addon {
  const [wanted, found] = [programVersion(), addon.version()]
  if (wanted === found) return addon
  throw new ShoalError('unsupported', `the native part is version ${found}, this is ${wanted}`, {
    next: 'build it anew: npm run build',
  })
}

/** Takes down a device that no daemon serves any more. */
export function forceDetach(deviceDir: string, volume: string): string {
  try {
    return native().forceDetach(deviceDir, volume)
  } catch (thrown) {
    if (thrown instanceof ShoalError) throw thrown
    throw new ShoalError('io', thrown instanceof Error ? thrown.message : String(thrown), {
      why: 'no daemon answers, so the device was to be taken down without one',
      next: 'as root, with --server of the peer that has it; or start its daemon: shoal daemon run',
    })
  }
}
