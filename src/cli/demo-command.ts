// What the demo commands share: they act on a directory, not on a daemon.
import { resolve } from 'node:path'
import { Args, Flags } from '@oclif/core'
import { defaultDemoDir } from '../demo/demo-file.ts'
import { demoPeer, type PeerAction } from '../demo/down.ts'
import { demoText } from '../demo/view.ts'
import { jsonFlag, PrintingCommand } from './base-command.ts'

export const dirFlag = Flags.string({
  description: "directory of the demo (default: below the user's state directory)",
})

export const peerArgs = {
  peer: Args.string({ required: true, description: 'name of the peer, for example p2' }),
}

export abstract class DemoCommand extends PrintingCommand {
  static override baseFlags = { json: jsonFlag, dir: dirFlag }

  protected demoDir(flags: { dir?: string | undefined }): string {
    return resolve(flags.dir ?? defaultDemoDir(process.env))
  }

  protected async act(
    flags: { dir?: string | undefined; json: boolean },
    peer: string,
    action: PeerAction,
  ): Promise<void> {
    const view = await demoPeer(this.demoDir(flags), peer, action)
    const { dir, peers } = view
    this.show(flags.json, { dir, peers }, () => demoText(view))
  }
}
