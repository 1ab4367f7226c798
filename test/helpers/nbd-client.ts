// An NBD client of another author that stays connected: qemu-io, fed line by line. It does not
// reconnect, so what it says is about the connection it began with.
import { spawn } from 'node:child_process'

const prompt = 'qemu-io> '
const startLimitMs = 10_000
const answerLimitMs = 60_000

export interface OpenClient {
  /** 4 KiB of this byte; false: an error was answered, or the connection is gone. */
  write: (offset: number, byte: number) => Promise<boolean>
  close: () => void
}

export async function openClient(uri: string): Promise<OpenClient> {
  const child = spawn('qemu-io', ['-f', 'raw', uri], { stdio: ['pipe', 'pipe', 'pipe'] })
  let seen = ''
  let wake: () => void = () => undefined
  const take = (chunk: Buffer) => {
    seen += chunk
    wake()
  }
  child.stdout.on('data', take)
  child.stderr.on('data', take)
  child.on('exit', () => {
    seen += prompt
    wake()
  })
  const untilPrompt = async (limitMs: number) => {
    const end = setTimeout(() => child.kill('SIGKILL'), limitMs)
    while (!seen.includes(prompt)) {
      await new Promise<void>(resolve => {
        wake = resolve
      })
    }
    clearTimeout(end)
    const text = seen.slice(0, seen.lastIndexOf(prompt))
    seen = ''
    return text
  }
  const hello = await untilPrompt(startLimitMs)
  if (hello.trim() !== '') throw new Error(`qemu-io: ${hello}`)
  return {
    write: async (offset, byte) => {
      if (child.exitCode !== null) return false
      child.stdin.write(`write -P ${byte} ${offset} 4k\n`)
      return (await untilPrompt(answerLimitMs)).includes('wrote 4096/4096')
    },
    close: () => void child.kill('SIGKILL'),
  }
}
