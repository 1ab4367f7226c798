// Every bound of gossip, in one place (docs/formats/gossip.md).

/** One record, signature included. */
export const recordBytesMax = 16 * 1024
/** What comes before a body, and the signature behind it. */
export const envelopeBytes = 48 + 64
export const disksPerDigestMax = 256
export const scrubsPerDigestMax = 64
export const versionBytesMax = 32
export const stateBytesMax = 32
export const codeBytesMax = 64
export const subjectBytesMax = 128
export const messageBytesMax = 1024
/** Newest events kept of each peer. */
export const eventsPerPeerMax = 16
/** Records named in one summary. */
export const summaryEntriesMax = 32_768
/** One message of a sync, and what is sent in one sync; the rest waits for the next. */
export const syncBytesMax = 1024 * 1024
export const syncRecordBytesMax = 512 * 1024
/** For a sync as a whole, and for an answer to a ping. */
export const answerTimeoutMs = 5_000
/** One message of gossipsub: a few records and what the mesh says of itself. */
export const inboundBytesMax = 256 * 1024
/** Up to so many members everyone is connected with everyone; beyond, with some. */
export const fullMeshMax = 100
export const sparseConnections = 32
export const dialsAtOnceMax = 8
export const addressesPerMemberMax = 8
