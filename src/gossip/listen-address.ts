// HOST:PORT as libp2p writes it.
import { parseHostPort } from '../common/host-port.ts'

const protocols = { ip4: 'ip4', ip6: 'ip6', name: 'dns' }

/** Undefined when it is no address. */
export function toMultiaddr(address: string): string | undefined {
  const found = parseHostPort(address)
  return found && `/${protocols[found.kind]}/${found.host}/tcp/${found.port}`
}
