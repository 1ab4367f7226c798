// Writes the list of commands for the packed product, so that it loads only the one that runs.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadCommands } from '../src/cli/main.ts'

const root = join(import.meta.dirname, '..')
const config = await loadCommands(root, false)
const plugin = config.plugins.get('shoal') as unknown as { manifest: object }
writeFileSync(join(root, 'dist/oclif.manifest.json'), `${JSON.stringify(plugin.manifest)}\n`)
