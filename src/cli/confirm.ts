// Before something is destroyed: its name is typed, or given by --confirm.
import { createInterface } from 'node:readline/promises'
import { ShoalError } from '../common/errors.ts'

export async function confirm(
  what: string,
  name: string,
  given: string | undefined,
): Promise<void> {
  if (given === name) return
  if (given !== undefined) {
    throw new ShoalError('confirmation_required', `--confirm ${given} does not name ${name}`, {
      why: `this would ${what}`,
      next: `repeat with --yes --confirm ${name}`,
    })
  }
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new ShoalError('confirmation_required', `this would ${what}`, {
      next: `repeat with --yes --confirm ${name}`,
    })
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const typed = await terminal.question(`This will ${what}.\nType ${name} to go on: `)
    if (typed.trim() === name) return
  } finally {
    terminal.close()
  }
  throw new ShoalError('confirmation_required', 'cancelled: nothing was changed')
}
