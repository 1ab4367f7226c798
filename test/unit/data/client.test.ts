import { mkdtempSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { systemClock } from '../../../src/common/clock.ts'
import { seededRandom } from '../../../src/common/random.ts'
import { DataClient } from '../../../src/data/client.ts'
import {
  encodeFrame,
  FrameDecoder,
  frameBytesMax,
  messageBytesMax,
} from '../../../src/data/frame.ts'
import type { DataEvent } from '../../../src/data/protocol.ts'
import { failure } from '../../helpers/api-fixture.ts'
import { PretendData, PretendError } from '../../helpers/pretend-data.ts'

const client = suite('data client')
const dir = mkdtempSync(join(tmpdir(), 'shoal-data-'))
let sockets = 0

async function connect(data: PretendData) {
  const socketPath = join(dir, `${sockets++}.sock`)
  await data.listen(socketPath)
  const events: DataEvent[] = []
  const closed: string[] = []
  const connected = await DataClient.connect({
    socketPath,
    clock: systemClock,
    onEvent: event => events.push(event),
    onClose: error => closed.push(error.code),
  })
  return { ...connected, events, closed }
}

client('frames survive every way of being cut', () => {
  const messages = [{ id: 1 }, { event: 'ä', data: 'x'.repeat(5_000) }, {}]
  const bytes = Buffer.concat(messages.map(encodeFrame))
  for (let step = 1; step < 40; step += 3) {
    const decoder = new FrameDecoder()
    const found: unknown[] = []
    for (let at = 0; at < bytes.length; at += step)
      found.push(...decoder.push(bytes.subarray(at, at + step)))
    assert.equal(found, messages)
  }
})

client('mutated frames end in an error or a message, never in anything else', () => {
  const random = seededRandom(3)
  const good = encodeFrame({ id: 7, result: { a: [1, 2, 3] } })
  for (let round = 0; round < 5_000; round++) {
    const bad = Buffer.from(good)
    for (let flips = 0; flips < 3; flips++)
      bad[Math.floor(random.fraction() * bad.length)] = Math.floor(random.fraction() * 256)
    try {
      for (const message of new FrameDecoder().push(bad)) assert.type(message, 'object')
    } catch (thrown) {
      assert.is((thrown as { code: string }).code, 'io')
    }
  }
})

client('an announced length beyond the limit is refused before it is waited for', () => {
  const header = Buffer.alloc(4)
  header.writeUInt32LE(frameBytesMax + 1)
  assert.throws(() => new FrameDecoder().push(header), /announced a message/)
})

/** The data process's way: 16 MiB each, all but the last say that there is more. */
function framed(message: object): Buffer {
  const body = Buffer.from(JSON.stringify(message))
  const frames: Buffer[] = []
  for (let at = 0; at < body.length; at += frameBytesMax) {
    const part = body.subarray(at, at + frameBytesMax)
    const header = Buffer.alloc(4)
    const goesOn = at + part.length < body.length
    header.writeUInt32LE(part.length + (goesOn ? 2 ** 31 : 0))
    frames.push(header, part)
  }
  return Buffer.concat(frames)
}

client('a message of several frames is one message, up to the largest', () => {
  const around = JSON.stringify({ id: 1, result: '' }).length
  for (const bytes of [frameBytesMax + 1, 2 * frameBytesMax, messageBytesMax]) {
    const decoder = new FrameDecoder()
    const sent = framed({ id: 1, result: 'x'.repeat(bytes - around) })
    const found: Record<string, unknown>[] = []
    for (let at = 0; at < sent.length; at += 2 ** 18)
      found.push(...decoder.push(sent.subarray(at, at + 2 ** 18)))
    assert.is(found.length, 1)
    assert.is((found[0]!.result as string).length, bytes - around)
    assert.equal(decoder.push(encodeFrame({ id: 2 })), [{ id: 2 }], 'and then the next')
  }
})

client('frames that go on for ever are refused', () => {
  const decoder = new FrameDecoder()
  const frame = Buffer.alloc(4 + frameBytesMax, 0x20)
  frame.writeUInt32LE(frameBytesMax + 2 ** 31)
  for (let sent = 0; sent < messageBytesMax; sent += frameBytesMax)
    assert.equal(decoder.push(frame), [])
  assert.throws(() => decoder.push(frame), /beyond/)
  const empty = Buffer.alloc(4)
  empty.writeUInt32LE(2 ** 31)
  assert.throws(() => new FrameDecoder().push(empty), /announced/)
})

client('answers come to whoever asked, in any order; errors keep code and data', async () => {
  const data = new PretendData()
  data.overrides.set('disk.probe', () => {
    throw new PretendError('refused', 'holds ext4', { found: { type: 'ext4' } })
  })
  const { client: link, hello } = await connect(data)
  assert.is(hello.peer_id, null)
  const [list, error] = await Promise.all([
    link.request('disk.list', {}),
    failure(link.request('disk.probe', { path: '/x' }), 'refused'),
  ])
  assert.equal(list, [])
  assert.equal(error.data, { found: { type: 'ext4' } })
  link.close()
  await data.close()
})

client('events are handed on', async () => {
  const data = new PretendData()
  const { client: link, events } = await connect(data)
  data.emit({ event: 'head.changed', data: { volume: 'db', state: 'active' } })
  await link.request('disk.list', {})
  assert.equal(events, [{ event: 'head.changed', data: { volume: 'db', state: 'active' } }])
  link.close()
  await data.close()
})

client('a lost connection ends every request, and is told once', async () => {
  const data = new PretendData()
  data.overrides.set('state.get', () => {
    void data.close()
    return {}
  })
  const { client: link, closed } = await connect(data)
  await failure(link.request('state.get', {}), 'unavailable')
  await failure(link.request('disk.list', {}), 'unavailable')
  assert.equal(closed, ['unavailable'])
})

client('a server that talks nonsense is left, not believed', async () => {
  const path = join(dir, 'nonsense.sock')
  const open: Socket[] = []
  const server = createServer(socket => {
    open.push(socket)
    socket.write(Buffer.concat([Buffer.from([5, 0, 0, 0]), Buffer.from('hello')]))
  })
  await new Promise<void>(resolve => server.listen(path, resolve))
  await failure(
    DataClient.connect({
      socketPath: path,
      clock: systemClock,
      onEvent: () => undefined,
      onClose: () => undefined,
    }),
    'io',
  )
  for (const socket of open) socket.destroy()
  await new Promise(resolve => server.close(resolve))
})

client('nobody there is "unavailable"', async () => {
  await failure(
    DataClient.connect({
      socketPath: join(dir, 'none.sock'),
      clock: systemClock,
      onEvent: () => undefined,
      onClose: () => undefined,
    }),
    'unavailable',
  )
})

client.run()
