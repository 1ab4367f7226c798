// Long work as people and programs see it.

export interface TaskView {
  id: string
  kind: string
  state: string
  done: number
  total: number
  unit: string
  message: string | null
  /** Units in a second, over the last minute or since it began; null before it was seen to change. */
  rate: number | null
  eta_seconds: number | null
  /** Members of placement groups that are still to be filled or moved away; null where none are. */
  members_left: number | null
}
