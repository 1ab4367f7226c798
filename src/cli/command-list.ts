// oclif asks every command who it is, which takes longer than most commands do. A package has the
// answers in its manifest. In a checkout they are kept beside Node's compile cache until a source
// changes; what a command does is always read from its source.
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, relative } from 'node:path'
import { Config, type Interfaces } from '@oclif/core'

const manifestName = 'oclif.manifest.json'

interface Kept {
  /** Names the state of the sources that it was made from. */
  sources: string
}

/** Reads the sources only when they changed since the last time. */
export async function loadCheckout(root: string, pjson: Interfaces.PJSON): Promise<Config> {
  const commands = join(root, 'src/commands')
  const dir = cacheDir(root)
  const sources = stateOf(join(root, 'src'))
  const base = sourcesOf(dir) === sources ? dir : root
  pjson.oclif.commands = { strategy: 'pattern', target: relative(base, commands) }
  const config = await Config.load({ root: base, pjson })
  if (base === root) keep(dir, { ...movedTo(dir, root, manifestOf(config)), sources })
  return config
}

export function manifestOf(config: Config): Interfaces.Manifest {
  const plugin = config.plugins.get(config.pjson.name) as unknown as Record<
    'manifest',
    Interfaces.Manifest
  >
  return plugin.manifest
}

function movedTo(dir: string, root: string, manifest: Interfaces.Manifest): Interfaces.Manifest {
  const moved = Object.entries(manifest.commands).map(([id, command]) => {
    const file = join(root, ...(command.relativePath ?? []))
    return [id, { ...command, relativePath: relative(dir, file).split('/') }]
  })
  return { ...manifest, commands: Object.fromEntries(moved) }
}

/** In the user's own directory, a place for each checkout. */
function cacheDir(root: string): string {
  const base = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
  return join(base, 'shoal/commands', createHash('sha256').update(root).digest('hex').slice(0, 16))
}

function stateOf(sources: string): string {
  const hash = createHash('sha256')
  for (const name of readdirSync(sources, { recursive: true, encoding: 'utf8' }).sort()) {
    const { mtimeMs, size } = statSync(join(sources, name))
    hash.update(`${name} ${mtimeMs} ${size}\n`)
  }
  return hash.digest('hex')
}

function sourcesOf(dir: string): string | undefined {
  try {
    const text = readFileSync(join(dir, manifestName), 'utf8')
    return (JSON.parse(text) as Kept).sources
  } catch {
    return undefined
  }
}

/** Where it cannot be kept, the next command takes as long again. */
function keep(dir: string, manifest: object): void {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    const made = join(dir, `${process.pid}.new`)
    writeFileSync(made, JSON.stringify(manifest))
    renameSync(made, join(dir, manifestName))
  } catch {}
}
