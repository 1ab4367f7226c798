// The links that name attached volumes: /dev/shoal/NAME -> /dev/ublkbN.
import { mkdir, readdir, readlink, rename, symlink, unlink } from 'node:fs/promises'
import { join } from 'node:path'

export class DeviceLinks {
  readonly #dir: string

  constructor(dir: string) {
    this.#dir = dir
  }

  path(volume: string): string {
    return join(this.#dir, volume)
  }

  async read(volume: string): Promise<string | null> {
    try {
      return await readlink(this.path(volume))
    } catch {
      return null
    }
  }

  /** Names a device, atomically: who looks meanwhile sees the old link or the new one. */
  async set(volume: string, device: string): Promise<string> {
    await mkdir(this.#dir, { recursive: true })
    const path = this.path(volume)
    if ((await this.read(volume)) === device) return path
    const fresh = join(this.#dir, `.${volume}.new`)
    await unlink(fresh).catch(() => undefined)
    await symlink(device, fresh)
    await rename(fresh, path)
    return path
  }

  /** Only a link that still leads to `device`: another daemon may have taken the name since. */
  async remove(volume: string, device: string): Promise<void> {
    if ((await this.read(volume)) !== device) return
    await unlink(this.path(volume)).catch(() => undefined)
  }

  async list(): Promise<{ volume: string; device: string }[]> {
    const names = await readdir(this.#dir).catch(() => [])
    const links = await Promise.all(
      names.map(async volume => ({ volume, device: await this.read(volume) })),
    )
    return links.filter(link => link.device !== null) as { volume: string; device: string }[]
  }
}
