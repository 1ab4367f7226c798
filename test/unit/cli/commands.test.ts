import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type ApiFixture, startApi } from '../../helpers/api-fixture.ts'
import { before } from '../../helpers/before.ts'
import { threePeers } from '../../helpers/cluster-fixture.ts'
import { runShoal, shoalPath } from '../../helpers/run-shoal.ts'

/** Commands that run side by side; most of their time is Node's start. */
const atOnce = 3

const cli = suite<{ fixture: ApiFixture }>('commands')

before(cli, async context => {
  context.fixture = await startApi(data => {
    data.state = threePeers()
    data.selfId = 1
  })
})
cli.after(context => context.fixture.close())

function shoal(fixture: ApiFixture, ...args: string[]) {
  return runShoal(args, { env: { SHOAL_SERVER: `unix:${fixture.api.socketPath}` } })
}

cli('lists are arrays, objects carry a schema_version', async ({ fixture }) => {
  const made = await shoal(fixture, 'volume', 'create', 'db', '--size', '1GiB', '--json')
  assert.is(made.code, 0, made.stderr)
  assert.is(JSON.parse(made.stdout).schema_version, 1)
  const listed = JSON.parse((await shoal(fixture, 'volume', 'list', '--json')).stdout)
  assert.equal(
    listed.map((one: { name: string; size: number }) => [one.name, one.size]),
    [['db', 2 ** 30]],
  )
  const status = JSON.parse((await shoal(fixture, 'status', '--json')).stdout)
  assert.is(status.health, 'ok')
  assert.is(status.schema_version, 1)
})

cli('doctor names what is not as it should be, with and without a daemon', async ({ fixture }) => {
  const asked = await shoal(fixture, 'doctor', '--json')
  assert.is(asked.code, 0, asked.stderr)
  const names = JSON.parse(asked.stdout).checks.map((one: { name: string }) => one.name)
  assert.ok(names.includes('reads of default') && !names.includes('daemon'), names.join())
  const alone = await runShoal(['doctor', '-x'], { env: { SHOAL_SERVER: 'unix:/nowhere.sock' } })
  assert.is(alone.code, 10)
  assert.match(alone.stdout, /^error +daemon +no daemon answers here/)
})

cli(
  'tables are for people: headers, none with -H, exact with -p, names with -o name',
  async ({ fixture }) => {
    const peers = await shoal(fixture, 'peer', 'list')
    assert.match(peers.stdout, /^NAME +ID +STATE/)
    assert.match((await shoal(fixture, 'disk', 'list', '-Hp')).stdout, /2147483648/)
    assert.is((await shoal(fixture, 'peer', 'list', '-o', 'name')).stdout, 'p1\np2\np3\n')
    assert.match((await shoal(fixture, 'peer', 'list', '-o', 'wide')).stdout, 'ADDRESSES')
    assert.match((await shoal(fixture, 'status')).stdout, /peers +3 of 3 up/)
  },
)

cli(
  'errors say what and what next, with their exit code, and never a stack',
  async ({ fixture }) => {
    const cases: [string[], number, RegExp][] = [
      [['volume', 'show', 'none'], 3, /next: {2}shoal volume list/],
      [['volume', 'create', 'x', '--size', '10GB'], 2, /10GiB/],
      [['volume', 'create', 'x'], 2, /missing flag: --size/],
      [['volume', 'create', 'x', '--size', '1GiB', '--block-size', '1024'], 2, /512/],
      [['volume', 'delete', 'none'], 3, /no volume/],
      [['attach', 'none'], 3, /no volume/],
      [['policy', 'delete', 'default'], 5, /in use|volume/],
      [['peer', 'remove', 'p1', '--confirm', 'p1'], 6, /--allow-degraded/],
      [['disk', 'remove', '3', '--confirm', '3'], 6, /--allow-degraded/],
      [['disk', 'remove', '3'], 2, /copies of 4 placement groups, all of which have others/],
      [['disk', 'drain', '9'], 3, /no disk 9/],
      [['disk', 'set', '1'], 2, /--weight/],
      [['peer', 'set', 'p1', '--domain', 'row=1'], 2, /rack=VALUE/],
      [['policy', 'set', 'default', '--copies', '2'], 2, /2 instead of 3 copies/],
      [['policy', 'set', 'default', '--max-per', 'rack=x'], 2, /rack=2/],
      [['task', 'pause', 'drain-disk-1'], 1, /shoal task pause rebalance/],
      [['task', 'show', 'drain-disk-1'], 3, /shoal task list/],
      [['disk', 'drain', '1', '--rate', '0'], 2, /nothing is copied/],
      [['policy', 'set', 'default', '--localize', 'zone:wset'], 3, /no peer is in zone wset/],
      [['task', 'set', 'rebalance'], 2, /--per-disk/],
      [['disk', 'add', '/x', '--wipe'], 2, /--confirm \/x/],
      [
        ['--server', 'unix:/none', 'status'],
        2,
        /--server stands before the command\nnext: .*status --s/,
      ],
      [['status', 'extra'], 2, /unexpected argument: extra\nwhy: {3}shoal status takes none/],
      [['volume', 'create'], 2, /missing argument: name/],
      [['disk', 'show', 'abc'], 2, /disk "abc": it takes a number\nnext: {2}shoal disk list/],
      [['export', 'delete', '1x'], 2, /export "1x": it takes a number/],
      [['policy', 'create', 'p', '--copies', '0'], 2, /error: --copies: Expected an integer/],
      [['cluster', 'token', '--ttl', '100d'], 2, /choose from 1s to 24h/],
      [['disk', 'add', '/tmp'], 2, /tmp is a directory/],
      [['disk', 'add', '/x', '--size', '4KiB'], 2, /at least 8MiB/],
      [['demo', 'up', '--dir', '/none', '--disk-size', '4KiB'], 2, /at least 8MiB/],
      [['demo', 'up', '--dir', '/dev/null'], 2, /cannot be the directory of a demo/],
      [['status', '--server', 'unix:/none'], 7, /nothing listens on \/none/],
      [['status', '--server', 'http://x'], 2, /unix:/],
      [['volme', 'list'], 2, /did you mean: shoal volume list/],
      [['demo', 'kill', 'p1', '--dir', '/none'], 3, /no demo/],
    ]
    const check = async ([args, code, pattern]: (typeof cases)[number]) => {
      const ran = await shoal(fixture, ...args)
      assert.is(ran.code, code, `${args.join(' ')}: ${ran.stderr}`)
      assert.match(ran.stderr, pattern)
      assert.match(ran.stderr, /^error: /)
      assert.match(ran.stderr, /^next: {2}\S/m)
      assert.not.match(ran.stderr, /\n\s+at /)
      assert.is(ran.stdout, '')
    }
    for (let at = 0; at < cases.length; at += atOnce)
      await Promise.all(cases.slice(at, at + atOnce).map(check))
  },
)

cli('destroying asks for the name, and takes no other', async ({ fixture }) => {
  await shoal(fixture, 'volume', 'create', 'gone', '--size', '1GiB')
  const asked = await shoal(fixture, 'volume', 'delete', 'gone', '--yes')
  assert.is(asked.code, 2)
  assert.match(asked.stderr, '--yes --confirm gone')
  assert.is((await shoal(fixture, 'volume', 'delete', 'gone', '--confirm', 'db')).code, 2)
  const done = await shoal(fixture, 'volume', 'delete', 'gone', '--yes', '--confirm', 'gone')
  assert.is(done.code, 0, done.stderr)
})

cli('under --json an error is an object on stdout', async ({ fixture }) => {
  const ran = await shoal(fixture, 'volume', 'show', 'none', '--json')
  assert.is(ran.code, 3)
  const { error } = JSON.parse(ran.stdout)
  assert.is(error.code, 'not_found')
  assert.is(error.status, 404)
  assert.match(error.hint, 'volume list')
})

cli('a status that is not ok can be an exit code', async ({ fixture }) => {
  assert.is((await shoal(fixture, 'status', '--exit-code')).code, 0)
  await fixture.mutate(state => {
    state.peers[2]!.state = 'down'
  })
  const warned = await shoal(fixture, 'status', '-x')
  assert.is(warned.code, 10)
  assert.match(warned.stdout, /peer_down: peer p3 is down/)
})

cli('a reader that has seen enough is no error', async ({ fixture }) => {
  const command = `${shoalPath} cluster map --json | head -n 1; echo "\${PIPESTATUS[0]}"`
  const env = { ...process.env, SHOAL_SERVER: `unix:${fixture.api.socketPath}` }
  const { stdout, stderr } = await promisify(execFile)('bash', ['-c', command], { env })
  assert.is(stdout, '{\n0\n')
  assert.is(stderr, '')
})

cli('help is there for every topic, the hidden command is not shown', async ({ fixture }) => {
  const help = await shoal(fixture, '--help')
  assert.is(help.code, 0)
  assert.not.match(help.stdout, /^ +data /m)
  const asked = await shoal(fixture, 'volume', 'create', '--help')
  assert.match(asked.stdout, 'EXAMPLES')
  assert.is((await shoal(fixture, 'help', 'volume', 'create')).stdout, asked.stdout)
  assert.is((await shoal(fixture, 'help')).stdout, help.stdout)
})

cli('Ctrl-C ends a command that waits, with the exit code of its kind', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'shoal-silent-')), 'silent.sock')
  const silent = createServer().listen(path)
  await once(silent, 'listening')
  const server = ['--server', `unix:${path}`]
  const waiting = spawn(shoalPath, ['peer', 'list', ...server], { stdio: 'ignore' })
  const ended = once(waiting, 'exit')
  await once(silent, 'connection')
  waiting.kill('SIGINT')
  assert.equal(await ended, [130, null])
  silent.close()
})

cli.run()
