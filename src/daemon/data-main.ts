// A data process: the addon and next to nothing else, so that it starts fast and stays small.
import { readFileSync } from 'node:fs'
import { native } from '../native.ts'

/** Its signals are its own business: no handler of Node may end it under its feet. */
export async function runDataProcess(configPath: string): Promise<void> {
  const { runData, leave } = native()
  leave(await runData(readFileSync(configPath, 'utf8')))
}
