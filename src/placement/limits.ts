// Every bound of the placement, by name and unit.

/** A member is written in 16 bits, and one value means "nobody". */
export const HOLE = 0xffff
export const DISKS_MAX = 65_535
export const PGS_MAX = 262_144
/** Bounds of the PG count that is chosen for a policy that names none. */
export const PGS_CHOSEN_MIN = 64
export const SLOTS_PER_DISK_WANTED = 100
export const COPIES_MAX = 7
export const EC_DATA_MAX = 12
export const EC_PARITY_MAX = 4
export const POLICIES_MAX = 1_024
export const NAME_LENGTH_MAX = 255
/** Sums of weights stay exact integers below 2^53 when the weights are bytes: 64 PiB per disk. */
export const WEIGHT_MAX = 2 ** 56
/** A smaller ratio to the largest weight rounds to no slot at all, and would only add noise. */
export const WEIGHT_MIN = 2 ** -40

/** Shares are integers of this many parts per slot. */
export const GRID = 65_536
/** A share this close to a whole slot (in grid parts) is that whole slot. */
export const GRID_SNAP = 8

/** Draws by deficit before every unit is looked at in turn. */
export const DRAWS_MAX = 8
/** Row checks that all chains of one plan may spend: a count of operations, never of time. */
export const CHAIN_CHECKS_MAX = 60_000_000
export const READER_CHECKS_MAX = 20_000_000
/** Steps that the search for detours may look at. */
export const SHORTEN_CHECKS_MAX = 30_000_000
/** Slots that the search for free chains may look at, and disks that one chain may reach. */
export const HAND_ON_CHECKS_MAX = 20_000_000
export const HAND_ON_DISKS_MAX = 2_000
/** Rows looked at before others have a turn: one to two milliseconds. */
export const ROWS_AT_ONCE = 8_192
/** Slots that moved in this plan anyway which one step of a chain looks at. */
export const FREE_SLOTS_MAX = 4_096
/** Row checks that the search for members to call back may spend. */
export const RECALL_CHECKS_MAX = 5_000_000
