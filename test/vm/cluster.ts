// A cluster for a guest: made here by the whole program, at full speed, and packed. In the guest its
// data processes come to life, with no Node (test/vm/scripts/shoal-lib.sh).
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Ran, runShoal } from '../helpers/run-shoal.ts'

/** The least that a store takes; all of them lie in the guest's memory. */
const diskSize = '256MiB'
const limitMs = 120_000

export interface GuestCluster {
  /** Holds peers.tar, with p1, p2 and so on in it. */
  dir: string
  remove(): void
}

/** With the volume `vol` of 384 MiB: xfs takes no less than 300. */
export async function makeCluster(peers: number, disks: number): Promise<GuestCluster> {
  const dir = mkdtempSync(join(tmpdir(), 'shoal-guest-'))
  const demo = ['--dir', dir]
  const shape = ['--peers', String(peers), '--disks', String(disks), '--disk-size', diskSize]
  succeeded(await runShoal(['demo', 'up', ...demo, ...shape, '--no-volume'], { limitMs }))
  const server = `unix:${join(dir, 'p1/run/shoal.sock')}`
  const create = ['volume', 'create', 'vol', '--size', '384MiB', '--server', server]
  const created = await runShoal(create)
  succeeded(await runShoal(['demo', 'down', ...demo, '--keep']))
  succeeded(created)
  const names = Array.from({ length: peers }, (_, index) => `p${index + 1}`)
  const pack = ['-C', dir, '--exclude=*.sock', '-cf', join(dir, 'peers.tar'), ...names]
  execFileSync('tar', pack)
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) }
}

function succeeded(ran: Ran): void {
  if (ran.code !== 0) throw new Error(`exit ${ran.code}\n${ran.stdout}\n${ran.stderr}`)
}
