// The data process of a peer: `node bin/data.js CONFIG`. The daemon starts it; people never do.
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const [config] = process.argv.slice(2)
const isSource = existsSync(join(import.meta.dirname, '../src'))
const main = isSource ? '../src/daemon/data-main.ts' : '../dist/daemon/data-main.js'
try {
  if (config === undefined) throw new Error('which configuration? usage: data.js CONFIG')
  const { runDataProcess } = await import(main)
  await runDataProcess(config)
} catch (thrown) {
  // Into its log: control tells people to look there.
  console.error(thrown instanceof Error ? thrown.message : String(thrown))
  process.exitCode = 1
}
