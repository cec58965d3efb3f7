/**
 * Every limit that a peer can meet, with its unit. The wire's own limits come from the protocol; a limit is checked before memory
 * is spent on what it bounds.
 */

/** A whole frame's header and payload, either direction (section 1). */
export const FRAME_BYTES_MAX = 1_900_000
/** To a connection that has used no ext field (section 1). */
export const PLAIN_FRAME_BYTES_MAX = 65_536
/** The name of a message's type in framing N. */
export const TYPE_NAME_BYTES_MAX = 64
export const DEPTH_MAX = 8
/** Values in one message outside `data`: 4,096 files of a dozen fields, or a report of 65,536 runs, fit well. */
export const ELEMENTS_MAX = 300_000
export const FILES_MAX = 4096
export const TAGS_PER_FILE_MAX = 64
export const TAG_BYTES_MAX = 128
export const NAME_BYTES_MAX = 1024
/** Of a user, as a token names them. */
export const USER_NAME_BYTES_MAX = 256
export const META_BYTES_MAX = 16_384
export const TOKEN_BYTES_MAX = 16_384
export const MEDIA_TYPE_BYTES_MAX = 255
/** FIND's `after`: what a `next` said. */
export const CURSOR_BYTES_MAX = 1024
export const CHUNK_SIZE_BYTES_DEFAULT = 1024
export const CHUNK_SIZE_BYTES_MAX = 1_048_576
export const CHUNKS_PER_FILE_MAX = 2 ** 31
export const OPAQUE_CHUNKS_PER_FILE_MAX = 4_000_000
/** Runs in one report: to a connection that uses ext, and to one that does not (section 3.1). */
export const REPORT_RUNS_MAX = 65_536
export const PLAIN_REPORT_RUNS_MAX = 1024
/** Runs in one RESPONSE for a run of chunks (section 3.3). */
export const ACK_RUNS_MAX = 1024
export const FIND_TAGS_MAX = 32
export const FIND_LIMIT_DEFAULT = 100
export const FIND_LIMIT_MAX = 1000
export const SIZE_BYTES_MAX = Number.MAX_SAFE_INTEGER
