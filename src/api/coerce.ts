// What comes in a path or a query is text; the schema says what it means. Bodies are JSON and are
// taken as they are: a number in quotes is an error there.
import type { TSchema } from 'typebox'

export function coerce(schema: TSchema | undefined, values: unknown): void {
  const properties = (schema as { properties?: Record<string, { type?: string }> })?.properties
  if (!properties || typeof values !== 'object' || values === null) return
  const record = values as Record<string, unknown>
  for (const [name, { type }] of Object.entries(properties)) {
    const text = record[name]
    if (typeof text !== 'string') continue
    if (type === 'integer' && /^-?\d{1,15}$/.test(text)) record[name] = Number(text)
    if (type === 'boolean' && (text === 'true' || text === 'false')) record[name] = text === 'true'
  }
}
