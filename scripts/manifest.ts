// Writes the list of commands for the packed product, so that it loads only the one that runs.
// Usage: scripts/manifest.ts [DIR]   a directory with package.json and dist; this one
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { manifestOf } from '../src/cli/command-list.ts'
import { loadCommands } from '../src/cli/main.ts'

const root = process.argv[2] ?? join(import.meta.dirname, '..')
const config = await loadCommands(root, false)
writeFileSync(join(root, 'dist/oclif.manifest.json'), `${JSON.stringify(manifestOf(config))}\n`)
