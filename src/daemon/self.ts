// Who this peer is, as its settings say.
import { hostname, networkInterfaces } from 'node:os'
import type { Self } from '../cluster/membership.ts'
import type { Config } from '../common/config.ts'
import { ShoalError } from '../common/errors.ts'
import { isName } from '../common/names.ts'
import type { Address } from '../data/protocol.ts'

export function selfOf(config: Config): Self {
  return {
    peerName: peerNameOf(config['peer.name'], hostname()),
    addresses: addressesOf(config),
    domains: { rack: config['peer.rack'], zone: config['peer.zone'] },
  }
}

/** The first label of the host's name, unless the settings name the peer. */
export function peerNameOf(configured: string | null, host: string): string {
  const name = configured ?? host.split('.')[0]!.toLowerCase()
  if (isName(name)) return name
  throw new ShoalError('config_invalid', `"${name}" cannot be the name of this peer`, {
    next: 'set peer.name in shoal.toml: 1 to 63 of a-z 0-9 . _ -',
  })
}

function addressesOf(config: Config): Address[] {
  const advertised = config['net.advertise']
  const data = advertised.length > 0 ? advertised : reachable(config['net.listen'])
  const gossip = config['gossip.enabled'] ? reachable(config['gossip.listen']) : []
  return [
    ...data.map(address => ({ role: 'data' as const, address })),
    ...gossip.map(address => ({ role: 'gossip' as const, address })),
  ]
}

/** Nobody can dial 0.0.0.0: it stands for every address of this host. */
function reachable(listen: string): string[] {
  const split = listen.lastIndexOf(':')
  const host = listen.slice(0, split)
  const port = listen.slice(split + 1)
  if (host !== '0.0.0.0' && host !== '[::]') return [listen]
  const own = Object.values(networkInterfaces())
    .flatMap(list => list ?? [])
    .filter(one => !one.internal && !one.address.startsWith('fe80:'))
    .map(one => (one.family === 'IPv6' ? `[${one.address}]:${port}` : `${one.address}:${port}`))
  return own.length > 0 ? own.slice(0, 8) : [`127.0.0.1:${port}`]
}
