// HOST:PORT, as settings and the cluster state write it; an IPv6 address stands in brackets.
import { isIPv4, isIPv6 } from 'node:net'

export interface HostPort {
  kind: 'ip4' | 'ip6' | 'name'
  host: string
  port: number
}

const portMax = 65_535

/** Undefined when it is no address. */
export function parseHostPort(text: string): HostPort | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:/[\]\s]+)):(\d{1,5})$/.exec(text)
  if (!match || Number(match[3]) > portMax) return undefined
  const port = Number(match[3])
  const [, six, host = ''] = match
  if (six !== undefined) return isIPv6(six) ? { kind: 'ip6', host: six, port } : undefined
  if (isIPv4(host)) return { kind: 'ip4', host, port }
  return /^[a-zA-Z0-9._-]{1,253}$/.test(host) ? { kind: 'name', host, port } : undefined
}
