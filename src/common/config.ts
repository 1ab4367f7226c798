// The settings of a peer: defaults < shoal.toml < environment < flags. An unknown key is refused,
// and the nearest known one named: a misspelt setting must not be silently without effect.
import { readFileSync } from 'node:fs'
import { parse, TomlError } from 'smol-toml'
import { type ConfigKey, type ConfigKeyName, configKeys } from './config-keys.ts'
import { parseDuration } from './duration.ts'
import { ShoalError } from './errors.ts'
import { parseHostPort } from './host-port.ts'
import { nearest } from './nearest.ts'
import { parseSize } from './units.ts'

type Value<K extends ConfigKeyName> = (typeof configKeys)[K] extends { kind: infer Kind }
  ? Kind extends 'text' | 'address'
    ? (typeof configKeys)[K]['default'] extends string
      ? string
      : string | null
    : Kind extends 'size' | 'duration' | 'count'
      ? (typeof configKeys)[K]['default'] extends null
        ? number | null
        : number
      : Kind extends 'flag'
        ? boolean
        : Kind extends 'addresses'
          ? readonly string[]
          : (typeof configKeys)[K] extends { choices: readonly (infer Choice)[] }
            ? Choice
            : never
  : never

/** Sizes are bytes, durations milliseconds. */
export type Config = { readonly [K in ConfigKeyName]: Value<K> }
export type ConfigOverrides = { [K in ConfigKeyName]?: unknown }

const names = Object.keys(configKeys) as ConfigKeyName[]

export interface ConfigSources {
  file?: string
  /** Someone asked for this very file: it has to be there. */
  isFileNamed?: boolean
  env?: NodeJS.ProcessEnv
  flags?: ConfigOverrides
}

export function loadConfig(sources: ConfigSources): Config {
  const values: Record<string, unknown> = {}
  for (const name of names) values[name] = readDefault(name)
  const layers: [string, Record<string, unknown>][] = [
    [sources.file ?? 'shoal.toml', readFileLayer(sources.file, sources.isFileNamed ?? false)],
    ['the environment', readEnvLayer(sources.env ?? {})],
    ['the command line', sources.flags ?? {}],
  ]
  for (const [origin, layer] of layers) {
    for (const [name, raw] of Object.entries(layer)) {
      if (raw === undefined) continue
      if (!Object.hasOwn(configKeys, name)) throw unknownKey(origin, name)
      values[name] = readValue(origin, name as ConfigKeyName, raw)
    }
  }
  return Object.freeze(values) as Config
}

/** `SHOAL_DATA_MEMORY` sets `data.memory`. */
export function envName(name: string): string {
  return `SHOAL_${name.replace(/\./g, '_').toUpperCase()}`
}

function readDefault(name: ConfigKeyName): unknown {
  const key: ConfigKey = configKeys[name]
  return key.default === null ? null : readValue('the defaults', name, key.default)
}

function readEnvLayer(env: NodeJS.ProcessEnv): Record<string, unknown> {
  const layer: Record<string, unknown> = {}
  for (const name of names) {
    const text = env[envName(name)]
    if (text !== undefined) layer[name] = fromText(configKeys[name], text)
  }
  return layer
}

function fromText(key: ConfigKey, text: string): unknown {
  if (key.kind === 'addresses') return text.split(',').filter(part => part !== '')
  if (key.kind === 'count' && /^\d+$/.test(text)) return Number(text)
  if (key.kind === 'flag' && /^(true|false)$/.test(text)) return text === 'true'
  return text
}

function readFileLayer(path: string | undefined, isNamed: boolean): Record<string, unknown> {
  if (path === undefined) return {}
  let document: Record<string, unknown>
  try {
    document = parse(readFileSync(path, 'utf8'))
  } catch (thrown) {
    if (isMissing(thrown) && !isNamed) return {}
    const where = thrown instanceof TomlError ? `${path}:${thrown.line}:${thrown.column}` : path
    const why = thrown instanceof Error ? thrown.message.split('\n')[0]! : String(thrown)
    throw new ShoalError('config_invalid', `${where} cannot be read`, { why })
  }
  return flatten(path, document)
}

function isMissing(thrown: unknown): boolean {
  return (thrown as NodeJS.ErrnoException).code === 'ENOENT'
}

function flatten(path: string, document: Record<string, unknown>): Record<string, unknown> {
  const layer: Record<string, unknown> = {}
  for (const [section, content] of Object.entries(document)) {
    const isTable = typeof content === 'object' && content !== null && !Array.isArray(content)
    if (!isTable) throw unknownKey(path, section)
    for (const [key, value] of Object.entries(content)) layer[`${section}.${key}`] = value
  }
  return layer
}

function unknownKey(origin: string, name: string): ShoalError {
  const likely = nearest(name, names)
  return new ShoalError('config_invalid', `${origin}: there is no setting "${name}"`, {
    next: likely ? `did you mean "${likely}"?` : 'see shoal.toml(5) for all settings',
  })
}

function readValue(origin: string, name: ConfigKeyName, raw: unknown): unknown {
  const key: ConfigKey = configKeys[name]
  const fail = (why: string) =>
    new ShoalError('config_invalid', `${origin}: "${name}" has a value that does not fit`, {
      why,
      next: key.doc,
    })
  switch (key.kind) {
    case 'text':
      if (typeof raw !== 'string') throw fail('it must be a text in quotes')
      return raw
    case 'address':
      if (typeof raw !== 'string' || !isListenAddress(raw))
        throw fail('it must be an IP address and a port, such as 0.0.0.0:7440 or [::]:7440')
      return raw
    case 'addresses':
      if (!Array.isArray(raw) || !raw.every(isDialAddress))
        throw fail('it must be a list of HOST:PORT, such as ["10.0.0.1:7440"]')
      return Object.freeze([...raw])
    case 'flag':
      if (typeof raw !== 'boolean') throw fail('it must be true or false')
      return raw
    case 'choice':
      if (typeof raw !== 'string' || !key.choices.includes(raw))
        throw fail(`it must be one of ${key.choices.join(', ')}`)
      return raw
    case 'count':
      return inRange(raw, raw, key.min, key.max, fail)
    case 'size':
      return inRange(
        raw,
        measured(raw, parseSize, fail),
        parseSize(key.min),
        parseSize(key.max),
        fail,
      )
    case 'duration':
      return inRange(
        raw,
        measured(raw, parseDuration, fail),
        parseDuration(key.min),
        parseDuration(key.max),
        fail,
      )
  }
}

/** Names are not looked up: a peer must be able to start before its name server. */
function isListenAddress(text: string): boolean {
  const found = parseHostPort(text)
  return found !== undefined && found.kind !== 'name'
}

function isDialAddress(raw: unknown): boolean {
  const found = typeof raw === 'string' ? parseHostPort(raw) : undefined
  return found !== undefined && found.port > 0
}

type Fail = (why: string) => ShoalError

function measured(raw: unknown, parseText: (text: string) => number, fail: Fail): number {
  if (typeof raw !== 'string') throw fail('it must be a text with a unit')
  try {
    return parseText(raw)
  } catch (thrown) {
    throw fail(thrown instanceof ShoalError ? `${thrown.message}; ${thrown.next}` : String(thrown))
  }
}

function inRange(raw: unknown, value: unknown, min: number, max: number, fail: Fail): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value))
    throw fail('it must be a whole number')
  if (value < min || value > max) throw fail(`${String(raw)} is not between ${min} and ${max}`)
  return value
}
