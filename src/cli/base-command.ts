// What all commands share: flags, the way to the daemon, printing, confirmation.
import { Command, Flags } from '@oclif/core'
import { ApiClient } from '../api/client.ts'
import { confirm } from './confirm.ts'
import { type ListOptions, renderJson } from './output.ts'
import { serverSocket } from './server-address.ts'

export const jsonFlag = Flags.boolean({ description: 'print JSON', helpGroup: 'GLOBAL' })

export const serverFlag = Flags.string({
  description: 'daemon to talk to, as unix:PATH',
  env: 'SHOAL_SERVER',
  helpValue: 'unix:PATH',
  helpGroup: 'GLOBAL',
})

export const listFlags = {
  output: Flags.string({
    char: 'o',
    description: 'form of the list',
    options: ['table', 'wide', 'json', 'name'],
    default: 'table',
  }),
  'no-headers': Flags.boolean({ char: 'H', description: 'leave the header line out' }),
  parsable: Flags.boolean({ char: 'p', description: 'print exact numbers' }),
}

export const confirmFlags = {
  yes: Flags.boolean({ char: 'y', description: 'do not ask; needs --confirm as well' }),
  confirm: Flags.string({
    description: 'name of what is destroyed, instead of typing it',
    helpValue: 'NAME',
  }),
}

export interface ConfirmValues {
  yes?: boolean
  confirm?: string | undefined
}

/** Prints to stdout what programs may read, to stderr what is meant for people. */
export abstract class PrintingCommand extends Command {
  /** Errors go up to main, which shows them and sets the exit code. */
  protected override catch(error: Error): Promise<never> {
    return Promise.reject(error)
  }

  protected show(isJson: boolean, value: unknown, text: () => string): void {
    const shown = isJson ? renderJson(value) : text()
    if (shown !== '') process.stdout.write(`${shown}\n`)
  }

  protected say(text: string): void {
    process.stderr.write(`${text}\n`)
  }
}

/** A command that asks a daemon. */
export abstract class ShoalCommand extends PrintingCommand {
  static override baseFlags = { json: jsonFlag, server: serverFlag }

  protected client(flags: { server?: string | undefined }): ApiClient {
    return new ApiClient(serverSocket(flags.server))
  }

  protected listOptions(flags: {
    output: string
    'no-headers': boolean
    parsable: boolean
    json: boolean
  }): ListOptions {
    return {
      output: flags.json ? 'json' : flags.output,
      hasHeader: !flags['no-headers'],
      isExact: flags.parsable,
    }
  }

  protected confirmDestroying(what: string, name: string, flags: ConfirmValues): Promise<void> {
    return confirm(what, name, flags.confirm)
  }
}
