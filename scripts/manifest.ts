// Writes oclif.manifest.json for the packed product, so that it loads only the command that runs.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadCommands } from '../src/cli/main.ts'

const root = join(import.meta.dirname, '..')
const isSource = !process.argv.includes('--dist')
const config = await loadCommands(root, isSource)
const plugin = config.plugins.get('shoal') as unknown as { manifest: object }
writeFileSync(join(root, 'oclif.manifest.json'), `${JSON.stringify(plugin.manifest)}\n`)
