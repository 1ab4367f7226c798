// How often a peer that only follows looks at the cluster state, however much changes: reading a large one
// takes long, and all peers do it after each change.

/** Looks take no more than this share of one core. */
const lookShare = 1 / 20
/** Who begins to lead, or is left out of something new, finds out after so long at the latest. */
const pauseMsMax = 5_000

/** From the beginning of a look that took `tookMs` to the next one. */
export function lookPauseMs(tookMs: number, shortestMs: number): number {
  return Math.max(shortestMs, Math.min(tookMs / lookShare, pauseMsMax))
}
