// One topic for each kind of record, in each cluster.
import type { Kind } from './record.ts'

export const kinds: readonly Kind[] = ['map', 'digest', 'event']

export function topicOf(clusterId: string, kind: Kind): string {
  return `shoal/1/${clusterId}/${kind}`
}

export function topicsOf(clusterId: string): string[] {
  return kinds.map(kind => topicOf(clusterId, kind))
}
