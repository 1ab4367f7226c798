// What clients asked of blocks and what they were told, and a judge of it by another author:
// Porcupine, built from test/tools/linearizability.
import { execFile, spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { blockBytes, type NbdSocket, type Outcome } from './nbd-socket.ts'

const run = promisify(execFile)

interface Operation {
  client: number
  block: number
  op: 'read' | 'write'
  value: number
  call: number
  /** Null: the outcome is not known, it may have taken effect or may do so yet. */
  return: number | null
}

export interface Verdict {
  operations: number
  blocks: number
  unknown: number
  illegal: number[]
  undecided: number[]
}

const checkerSource = join(import.meta.dirname, '../tools/linearizability')

/** All times are of one clock; every written value is a new one. */
export class History {
  readonly operations: Operation[] = []
  #nextValue = 1
  #nextClient = 1

  /** What it calls block 0 is `base` in the history: several volumes, one history. */
  client(socket: NbdSocket, base = 0): BlockClient {
    return new BlockClient(this, socket, this.#nextClient++, base)
  }

  newValue(): number {
    return this.#nextValue++
  }

  async check(): Promise<Verdict> {
    const checker = await buildChecker()
    const lines = this.operations.map(one => `${JSON.stringify(one)}\n`).join('')
    return JSON.parse(await judged(checker, lines)) as Verdict
  }

  /** Throws, with the operations of a block that no order explains. */
  async expectLinearizable(): Promise<Verdict> {
    const verdict = await this.check()
    const [bad] = [...verdict.illegal, ...verdict.undecided]
    if (bad === undefined) return verdict
    const told = this.operations.filter(one => one.block === bad).sort((a, b) => a.call - b.call)
    const lines = told.map(one => JSON.stringify(one)).join('\n')
    throw new Error(`not linearizable: ${JSON.stringify(verdict)}\nblock ${bad}:\n${lines}`)
  }
}

/** Records what one connection is told. */
export class BlockClient {
  readonly socket: NbdSocket
  readonly #history: History
  readonly #id: number
  readonly #base: number

  constructor(history: History, socket: NbdSocket, id: number, base: number) {
    this.#history = history
    this.socket = socket
    this.#id = id
    this.#base = base
  }

  /** True when it was acknowledged. An error says no more than silence: it may have happened. */
  async write(block: number): Promise<boolean> {
    const value = this.#history.newValue()
    // Recorded before it is sent: one that is never answered counts too.
    const entry: Operation = {
      ...{ client: this.#id, block: this.#base + block, op: 'write', value },
      ...{ call: now(), return: null },
    }
    this.#history.operations.push(entry)
    const outcome = await this.socket.write(block, filled(value))
    if (isFine(outcome)) entry.return = now()
    return entry.return !== null
  }

  /** The value, or null when nothing was told. */
  async read(block: number): Promise<number | null> {
    const call = now()
    const outcome = await this.socket.read(block)
    if (outcome === 'gone' || outcome.errno !== 0) return null
    const value = oneValue(outcome.data!)
    this.#history.operations.push({
      ...{ client: this.#id, block: this.#base + block, op: 'read', value },
      ...{ call, return: now() },
    })
    return value
  }
}

function isFine(outcome: Outcome): boolean {
  return outcome !== 'gone' && outcome.errno === 0
}

function now(): number {
  return Math.round(performance.now() * 1e6)
}

function filled(value: number): Buffer {
  return Buffer.from(new Float64Array(blockBytes / 8).fill(value).buffer)
}

/** A block is written whole or not at all: two values in one are as bad as a wrong one. */
function oneValue(data: Buffer): number {
  const words = new Float64Array(new Uint8Array(data).buffer)
  const torn = words.find(word => word !== words[0])
  if (torn !== undefined) throw new Error(`a block is torn: it holds ${words[0]} and ${torn}`)
  return words[0]!
}

let built: Promise<string> | undefined

function buildChecker(): Promise<string> {
  built ??= (async () => {
    const dir = join(tmpdir(), `shoal-test-tools-${process.getuid?.() ?? 0}`)
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    const path = join(dir, 'linearizability')
    await run('go', ['build', '-buildvcs=false', '-o', path, '.'], { cwd: checkerSource })
    return path
  })()
  return built
}

function judged(checker: string, lines: string): Promise<string> {
  const child = spawn(checker, [], { stdio: ['pipe', 'pipe', 'inherit'] })
  let out = ''
  child.stdout.on('data', chunk => {
    out += chunk
  })
  child.stdin.end(lines)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', code => {
      if (code === 0 || code === 1) resolve(out)
      else reject(new Error(`the checker ended with ${code}`))
    })
  })
}
