// Writes man/ anew from the commands and settings, and its list in package.json: npm links what is
// listed there. test/tidy.test.ts checks that this changes nothing.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { manPages } from './man-pages/pages.ts'

const dir = join(import.meta.dirname, '../man')
const pages = await manPages(join(import.meta.dirname, '..'))
mkdirSync(dir, { recursive: true })
for (const name of readdirSync(dir)) if (!pages.has(name)) rmSync(join(dir, name))
for (const [name, text] of pages) writeFileSync(join(dir, name), text)

const manifest = join(dir, '../package.json')
const written = JSON.parse(readFileSync(manifest, 'utf8'))
written.man = [...pages.keys()].sort().map(name => `man/${name}`)
writeFileSync(manifest, `${JSON.stringify(written, null, 2)}\n`)
