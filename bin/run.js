// Hands over to oclif: to the TypeScript sources in a checkout, to what was built from them in a package.
import { existsSync } from 'node:fs'
import module from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'

// A reader that has seen enough (`shoal volume list | head`) is no error.
process.stdout.on('error', error => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

const root = join(import.meta.dirname, '..')
const isSource = existsSync(join(root, 'src'))
// In the user's own directory: whoever can write it could run code as that user anyway.
module.enableCompileCache(join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'shoal'))
const { main } = await import(isSource ? '../src/cli/main.ts' : '../dist/cli/main.js')
await main(root, isSource)
