import { PlacementError, shown } from './errors.ts'
import { checkId } from './ids.ts'
import {
  COPIES_MAX,
  EC_DATA_MAX,
  EC_PARITY_MAX,
  PGS_CHOSEN_MIN,
  PGS_MAX,
  POLICIES_MAX,
  SLOTS_PER_DISK_WANTED,
} from './limits.ts'
import type { Domain, Id, Localize, Policy } from './types.ts'

export interface CheckedPolicy {
  readonly name: Id
  /** Members per PG: copies, or k+m. */
  readonly width: number
  /** Members that may be lost without losing data. */
  readonly spare: number
  readonly isErasureCoded: boolean
  /** Most members of one PG in one domain; the width where no rule speaks. */
  readonly caps: Readonly<Record<Domain, number>>
  readonly class: string
  readonly labels: readonly string[]
  readonly localize: Localize | null
  /** null: chosen by the number of disks. */
  readonly pgs: number | null
}

const DOMAINS: readonly Domain[] = ['disk', 'peer', 'rack', 'zone']

export function checkPolicies(policies: readonly Policy[]): CheckedPolicy[] {
  if (!Array.isArray(policies) || policies.length > POLICIES_MAX) {
    throw new PlacementError(
      'bad_input',
      `"policies" is not a list of at most ${POLICIES_MAX}`,
      'see the input form',
    )
  }
  const checked = policies.map(checkPolicy)
  const names = new Set<Id>()
  for (const { name } of checked) {
    if (names.has(name)) {
      throw new PlacementError(
        'duplicate_policy',
        `policy ${JSON.stringify(name)} is listed twice`,
        'give every policy a name of its own',
      )
    }
    names.add(name)
  }
  return checked
}

/** Next power of two at or above 100 slots per disk, within the bounds. */
export function choosePgCount(disks: number, width: number): number {
  const wanted = Math.ceil((SLOTS_PER_DISK_WANTED * disks) / width)
  let pgs = PGS_CHOSEN_MIN
  while (pgs < wanted && pgs < PGS_MAX) pgs *= 2
  return pgs
}

function checkPolicy(policy: Policy, at: number): CheckedPolicy {
  if (typeof policy !== 'object' || policy === null) {
    throw new PlacementError('bad_input', `policies[${at}] is not an object`, 'see the input form')
  }
  const name = checkId(policy.name, `policies[${at}].name`)
  const code = checkRedundancy(policy, name)
  return {
    name,
    width: code.data + code.spare,
    spare: code.spare,
    isErasureCoded: code.isErasureCoded,
    caps: checkCaps(policy, name, code.data + code.spare),
    class: checkText(policy.class, name),
    labels: checkLabels(policy.labels, name),
    localize: checkLocalize(policy.localize, name),
    pgs: checkPgs(policy.pgs, name),
  }
}

interface Redundancy {
  readonly data: number
  readonly spare: number
  readonly isErasureCoded: boolean
}

function checkRedundancy(policy: Policy, name: Id): Redundancy {
  const { copies, ec } = policy
  if ((copies == null) === (ec == null)) {
    throw bad(name, 'names both copies and ec, or neither', 'give one of the two')
  }
  if (copies != null) {
    if (!Number.isInteger(copies) || copies < 1 || copies > COPIES_MAX) {
      throw bad(name, `copies is ${shown(copies)}`, `it is a whole number, 1 to ${COPIES_MAX}`)
    }
    return { data: 1, spare: copies - 1, isErasureCoded: false }
  }
  const parts = /^(\d{1,2})\+(\d{1,2})$/.exec(String(ec))
  const data = Number(parts?.[1])
  const spare = Number(parts?.[2])
  if (!(data >= 1 && data <= EC_DATA_MAX && spare >= 1 && spare <= EC_PARITY_MAX)) {
    const most = `${EC_DATA_MAX}+${EC_PARITY_MAX}`
    throw bad(name, `ec is ${shown(ec)}`, `it is "k+m", at most ${most}`)
  }
  return { data, spare, isErasureCoded: true }
}

function checkCaps(policy: Policy, name: Id, width: number): Record<Domain, number> {
  const domain = policy.domain ?? 'peer'
  checkDomain(domain, name)
  const caps: Record<Domain, number> = { disk: 1, peer: width, rack: width, zone: width }
  caps[domain] = 1
  const bounds = policy.max_per ?? {}
  if (typeof bounds !== 'object' || Array.isArray(bounds)) {
    throw bad(name, 'max_per is no object', 'for example {"rack": 2}')
  }
  for (const [key, bound] of Object.entries(bounds)) {
    const level = checkDomain(key, name)
    if (!Number.isInteger(bound) || bound < 1) {
      throw bad(name, `max_per.${key} is ${shown(bound)}`, 'it is a whole number of at least 1')
    }
    if (level !== 'disk') caps[level] = Math.min(bound, width)
  }
  return caps
}

function checkDomain(value: unknown, name: Id): Domain {
  const known = DOMAINS.find(domain => domain === value)
  if (known !== undefined) return known
  throw new PlacementError(
    'bad_domain',
    `policy ${JSON.stringify(name)}: ${shown(value)} is no domain`,
    `it is one of ${DOMAINS.join(', ')}`,
  )
}

function checkText(value: unknown, name: Id): string {
  if (value === undefined || value === null) return ''
  if (typeof value === 'string') return value
  throw bad(name, 'class is no text', 'for example "nvme"')
}

function checkLabels(value: unknown, name: Id): readonly string[] {
  if (value === undefined || value === null) return []
  if (Array.isArray(value) && value.every(label => typeof label === 'string')) return value
  throw bad(name, 'labels are no list of texts', 'use ["a", "b"]')
}

function checkLocalize(value: unknown, name: Id): Localize | null {
  if (value === undefined || value === null) return null
  const { peer, zone } = value as { peer?: unknown; zone?: unknown }
  if (peer != null && zone == null) return { peer: checkId(peer, 'localize.peer') }
  if (zone != null && peer == null) return { zone: checkId(zone, 'localize.zone') }
  throw bad(name, 'localize names no peer or zone, or both', 'use {"peer": …} or {"zone": …}')
}

function checkPgs(value: unknown, name: Id): number | null {
  if (value === undefined || value === null) return null
  if (typeof value === 'number' && value >= 1 && value <= PGS_MAX && Number.isInteger(value)) {
    if ((value & (value - 1)) === 0) return value
  }
  throw new PlacementError(
    'bad_pg_count',
    `policy ${JSON.stringify(name)}: pgs is ${shown(value)}`,
    `it is a power of two from 1 to ${PGS_MAX}`,
  )
}

function bad(name: Id, what: string, hint: string): PlacementError {
  return new PlacementError('bad_policy', `policy ${JSON.stringify(name)}: ${what}`, hint)
}
