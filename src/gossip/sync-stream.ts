// Anti-entropy over a stream of its own: each side says what it knows and gets what it lacks.
import type { Stream } from '@libp2p/interface'
import { lpStream } from '@libp2p/utils'
import { syncBytesMax } from './limits.ts'
import type { SummaryEntry } from './record-store.ts'
import { decodeRecords, decodeSummary, encodeRecords, encodeSummary } from './sync-codec.ts'

export const syncProtocol = '/shoal/sync/1'

export interface SyncSource {
  summary(): SummaryEntry[]
  missing(summary: readonly SummaryEntry[]): Uint8Array[]
  take(records: readonly Uint8Array[]): void
}

/** The side that dialled: summary out, summary and records in, records out. */
export async function askSync(
  stream: Stream,
  source: SyncSource,
  signal: AbortSignal,
): Promise<void> {
  const messages = messagesOf(stream)
  await messages.write(encodeSummary(source.summary()), { signal })
  const theirs = decodeSummary((await messages.read({ signal })).subarray())
  source.take(decodeRecords((await messages.read({ signal })).subarray()))
  await messages.write(encodeRecords(source.missing(theirs)), { signal })
  await stream.close({ signal })
}

export async function answerSync(
  stream: Stream,
  source: SyncSource,
  signal: AbortSignal,
): Promise<void> {
  const messages = messagesOf(stream)
  const theirs = decodeSummary((await messages.read({ signal })).subarray())
  await messages.write(encodeSummary(source.summary()), { signal })
  await messages.write(encodeRecords(source.missing(theirs)), { signal })
  source.take(decodeRecords((await messages.read({ signal })).subarray()))
  await stream.close({ signal })
}

function messagesOf(stream: Stream) {
  return lpStream(stream, { maxDataLength: syncBytesMax, maxBufferSize: 2 * syncBytesMax })
}
