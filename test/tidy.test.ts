import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { manPages } from '../scripts/man-pages/pages.ts'
import { staticFault } from '../scripts/testing/uvu-file.ts'
import { forbidden, importsOf } from './tidy/arrows.ts'
import {
  compareBudgets,
  fileLinesMax,
  fileLinesUsual,
  functionLinesMax,
  functionLinesUsual,
  measureExcess,
  readBudgets,
  unusualShareMax,
} from './tidy/budgets.ts'
import { measureFunctions, root, sourceFiles } from './tidy/sources.ts'

const tidy = suite('tidy')

const typescript = sourceFiles(/^(src|scripts|test)\/.*\.ts$/)
const product = typescript.filter(file => file.path.startsWith('src/'))
const rust = sourceFiles(/^native\/crates\/.*\.rs$/)
const documents = sourceFiles(/\.md$/)

function none(faults: string[]): void {
  assert.is(faults.join('\n'), '')
}

tidy('imports run one way', () => {
  none(product.flatMap(importsOf).flatMap(one => forbidden(one) ?? []))
})

tidy('an arrow that is not allowed would be found', () => {
  const wrong = { from: 'src/placement/plan.ts', to: 'src/data/state.ts' }
  assert.match(forbidden(wrong) ?? '', 'placement may import common')
  assert.match(forbidden({ from: 'src/new/x.ts', to: 'src/data/state.ts' }) ?? '', 'no place')
  assert.is(forbidden({ from: 'src/cli/main.ts', to: 'src/common/errors.ts' }), undefined)
})

tidy('files and functions keep their budgets', () => {
  const found = measureExcess([...typescript, ...rust])
  const allowed = readBudgets()
  none([
    ...compareBudgets('file', found.files, allowed.files, fileLinesMax),
    ...compareBudgets('function', found.functions, allowed.functions, functionLinesMax),
  ])
})

tidy('most files and functions are short', () => {
  const files = [...typescript, ...rust]
  const functions = files.flatMap(measureFunctions).map(one => one.lines)
  const share = (lengths: number[], usual: number) =>
    lengths.filter(lines => lines > usual).length / lengths.length
  const lengths = files.map(file => file.lines.length - 1)
  assert.ok(share(lengths, fileLinesUsual) <= unusualShareMax)
  assert.ok(share(functions, functionLinesUsual) <= unusualShareMax)
})

tidy('functions are measured', () => {
  const text = [
    'fn a() {',
    '    1',
    '}',
    'pub(crate) async fn b(',
    '    x: u8,',
    ') {',
    '}',
    'fn c();',
  ]
  const measured = measureFunctions({ path: 'x.rs', text: '', lines: text })
  assert.equal(measured, [
    { key: 'x.rs#a', lines: 3 },
    { key: 'x.rs#b', lines: 4 },
  ])
  const own = measureFunctions(product.find(file => file.path === 'src/common/units.ts')!)
  assert.ok(own.some(one => one.key.endsWith('#parseSize') && one.lines > 10))
})

tidy('no line is much longer than the 100 columns of the formatter', () => {
  const tooLong = typescript.flatMap(file =>
    file.lines.flatMap((line, index) =>
      line.length > 110 && !/https?:\/\/|['`"]|^import /.test(line)
        ? [`${file.path}:${index + 1}`]
        : [],
    ),
  )
  none(tooLong)
})

tidy('the clock, timers and randomness are read in common alone', () => {
  const banned = /\b(Date\.now|new Date\(\)|Math\.random|setTimeout|setInterval|performance\.now)\b/
  const allowed = ['src/common/clock.ts', 'src/common/random.ts']
  none(
    product
      .filter(file => !allowed.includes(file.path) && !file.path.startsWith('src/web/'))
      .flatMap(file =>
        file.lines.flatMap((line, index) =>
          banned.test(line.replace(/\/\/.*/, '')) ? [`${file.path}:${index + 1}: ${line}`] : [],
        ),
      ),
  )
})

tidy('the addon has one importer, and libp2p one room', () => {
  none(
    product
      .filter(file => file.path !== 'src/native.ts' && /shoal\.node/.test(file.text))
      .map(file => `${file.path} names the addon`),
  )
  none(
    product
      .filter(file => !file.path.startsWith('src/gossip/') && /from '@?libp2p/.test(file.text))
      .map(file => `${file.path} names libp2p`),
  )
})

tidy('types are named by the words of the glossary', () => {
  const declared = /^(?:export )?(?:abstract )?(?:class|interface|type|enum) (\w+)/
  const isNot =
    /(?:^|[a-z])(Osd|Lun|Primary|Mirror|Quorum|Arbiter|Pool|Manager|Helper|Util)(?![a-z])/
  none(
    product.flatMap(file =>
      file.lines.flatMap(line => {
        const name = declared.exec(line)?.[1]
        const isBad = name !== undefined && (isNot.test(name) || /^I[A-Z][a-z]/.test(name))
        return isBad ? [`${file.path}: ${name}`] : []
      }),
    ),
  )
})

tidy('every source file is used', () => {
  const used = new Set(typescript.flatMap(importsOf).map(one => one.to))
  // What bin/ starts.
  const entries = ['src/cli/main.ts', 'src/daemon/data-main.ts']
  none(
    product
      .filter(file => !used.has(file.path) && !file.path.startsWith('src/commands/'))
      .filter(file => !entries.includes(file.path))
      .map(file => `${file.path} is imported by nothing`),
  )
})

tidy('every test file runs its tests, all of them', () => {
  none(
    typescript
      .filter(file => file.path.endsWith('.test.ts') && !file.path.includes('/testing/'))
      .flatMap(file => {
        const fault = staticFault(file.text)
        return fault ? [`${file.path}: ${fault}`] : []
      }),
  )
})

tidy('every document has one title, and its links lead somewhere', () => {
  none(
    documents.flatMap(file => {
      const prose = file.text.replace(/^(```|~~~)[\s\S]*?^\1/gm, '')
      const titles = prose.match(/^# .+$/gm) ?? []
      return titles.length === 1 ? [] : [`${file.path} has ${titles.length} titles`]
    }),
  )
  none(
    documents.flatMap(file =>
      [...file.text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)/g)]
        .filter(match => !existsSync(join(root, normalize(join(dirname(file.path), match[1]!)))))
        .map(match => `${file.path} links to ${match[1]}`),
    ),
  )
})

tidy('nothing is left for later', () => {
  const later = /\b(TODO|FIXME|XXX|unimplemented!|todo!)\b/
  none(
    [...typescript, ...rust]
      .filter(file => file.path !== 'test/tidy.test.ts')
      .flatMap(file =>
        file.lines.flatMap((line, index) =>
          later.test(line) ? [`${file.path}:${index + 1}`] : [],
        ),
      ),
  )
})

tidy('the manual pages are those of the commands', async () => {
  const pages = await manPages(root)
  const names = [...pages.keys()].sort()
  assert.equal(readdirSync(join(root, 'man')).sort(), names)
  const { man } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  assert.equal(
    man,
    names.map(name => `man/${name}`),
    'npm links what is listed: run npm run man',
  )
  for (const [name, text] of pages)
    assert.is(readFileSync(join(root, 'man', name), 'utf8'), text, `${name}: run npm run man`)
})

tidy('every package is pinned to one version', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const pinned = { ...manifest.dependencies, ...manifest.optionalDependencies }
  Object.assign(pinned, manifest.devDependencies)
  const reasons = readFileSync(join(root, 'docs/dependencies.md'), 'utf8')
  for (const [name, version] of Object.entries(pinned as Record<string, string>)) {
    assert.match(version, /^\d+\.\d+\.\d+$/, name)
    assert.ok(reasons.includes(`\`${name}\``), `docs/dependencies.md does not say why ${name}`)
  }
  assert.not(Object.keys(manifest.scripts).some(name => /install|prepare/.test(name)))
})

tidy.run()
