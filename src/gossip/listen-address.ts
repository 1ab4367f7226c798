// HOST:PORT, as settings and the cluster state write it, and as libp2p does.
import { isIPv4, isIPv6 } from 'node:net'

/** Undefined when it is no address. */
export function toMultiaddr(address: string): string | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:/[\]\s]+)):(\d{1,5})$/.exec(address)
  if (!match || Number(match[3]) > 65_535) return undefined
  const [, six, host, port] = match
  if (six !== undefined) return isIPv6(six) ? `/ip6/${six}/tcp/${port}` : undefined
  if (isIPv4(host!)) return `/ip4/${host}/tcp/${port}`
  return /^[a-zA-Z0-9._-]{1,253}$/.test(host!) ? `/dns/${host}/tcp/${port}` : undefined
}
