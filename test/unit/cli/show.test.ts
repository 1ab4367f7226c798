import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { diskText, peerText, policyText } from '../../../src/cli/show.ts'
import { peerView, policyView } from '../../../src/cluster/views.ts'
import { startApi } from '../../helpers/api-fixture.ts'
import { threePeers } from '../../helpers/cluster-fixture.ts'

const show = suite('show')

show('a peer in maintenance says until when', () => {
  const state = threePeers()
  const peer = state.peers[1]!
  const text = () => peerText(peerView(state, peer, 'up'))
  assert.not.match(text(), /until/)
  peer.maintenance_until_ms = Date.UTC(2026, 0, 2)
  assert.match(text(), /maintenance +until 2026-01-02T00:00:00\.000Z/)
})

show('a policy says how reads are answered', () => {
  const state = threePeers()
  const policy = state.policies[0]!
  for (const reads of ['lease', 'confirmed'] as const)
    assert.match(
      policyText(policyView(state, { ...policy, reads })),
      new RegExp(`^reads +${reads}$`, 'm'),
    )
})

show('a disk that does not serve says why', async () => {
  const reason = '/srv/disk1: TooSmall'
  const fixture = await startApi(data => {
    data.state = threePeers()
    data.selfId = 1
    data.localDisk = { state: 'failed', reason }
  })
  try {
    const disk = await fixture.api.call('disk.show', { params: { id: 1 } })
    assert.is(disk.reason, reason)
    assert.match(diskText(disk), /state +failed\nreason +\/srv\/disk1: TooSmall\n/)
  } finally {
    await fixture.close()
  }
})

show.run()
