// The sources of the project, as the tidy test looks at them.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export const root = join(import.meta.dirname, '../..')

export interface SourceFile {
  path: string
  text: string
  lines: string[]
}

/** Files that git knows or would add; what it ignores is no source. */
export function sourceFiles(pattern: RegExp): SourceFile[] {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard']
  const names = execFileSync('git', args, { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 26 })
  return [...new Set(names.split('\n'))]
    .filter(path => pattern.test(path))
    .sort()
    .flatMap(path => {
      try {
        const text = readFileSync(join(root, path), 'utf8')
        return [{ path, text, lines: text.split('\n') }]
      } catch {
        // Deleted in the tree, and not yet in the index.
        return []
      }
    })
}

export interface MeasuredFunction {
  /** `path#name`, with the number of the one of that name in the file, from the second on. */
  key: string
  lines: number
}

const rustStart = /^(\s*)(?:pub(?:\([^)]*\))? )?(?:const |async |unsafe |extern "C" )*fn (\w+)/
const typescriptWords = 'export|default|protected|private|static|override|async|function'
const typescriptStart = new RegExp(
  `^(\\s*)(?:(?:${typescriptWords}) )*(?:function )?\\*?(#?\\w+)(?:<.*>)?\\(.*$`,
)

/** By indentation: the formatters end a function with a brace below its first letter. */
export function measureFunctions(file: SourceFile): MeasuredFunction[] {
  const start = file.path.endsWith('.rs') ? rustStart : typescriptStart
  const counts = new Map<string, number>()
  const found: MeasuredFunction[] = []
  for (const [index, line] of file.lines.entries()) {
    const match = start.exec(line)
    if (!match || /^(?:if|for|while|switch|return|await|catch|super|new)$/.test(match[2]!)) continue
    const lines = bodyLines(file.lines, index, match[1]!)
    if (lines === undefined) continue
    const count = (counts.get(match[2]!) ?? 0) + 1
    counts.set(match[2]!, count)
    found.push({ key: `${file.path}#${match[2]}${count > 1 ? `.${count}` : ''}`, lines })
  }
  return found
}

/** Undefined for a declaration without a body, and for a mere call. */
function bodyLines(lines: string[], first: number, indent: string): number | undefined {
  for (let index = first; index < lines.length; index++) {
    const line = lines[index]!
    if (line === `${indent}}`) return index - first + 1
    const isDeeper = line === '' || line.startsWith(`${indent} `) || line.startsWith(`${indent}\t`)
    const isHead =
      index === first || line.startsWith(`${indent})`) || line.startsWith(`${indent}where`)
    const isBrace = line === `${indent}{`
    if (!isDeeper && !isHead && !isBrace) return undefined
    if (index === first && /[;,)]$/.test(line)) return undefined
    if (isHead && index > first && /[;,]$/.test(line)) return undefined
  }
  return undefined
}
