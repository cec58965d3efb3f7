/**
 * The wire library as one import. It has no I/O and needs nothing of Node, so a browser or another runtime can share it.
 */
export * from './chunk-id.ts'
export * from './chunk-set.ts'
export * from './codec.ts'
export * from './defaults.ts'
export * from './errors.ts'
export { free } from './free.ts'
export { type BinaryFraming, encodeFrame, FrameDecoder, type Framing, HEADER_BYTES, type OnFrame } from './frame.ts'
export { FrameCutter } from './frame-cutter.ts'
export * from './limits.ts'
export * from './messages.ts'
export * from './quantities.ts'
export { RefusedMessage } from './refused.ts'
export * from './set-up-names.ts'
export type { FrameType } from './text-frame.ts'
export { encodeOkFrames, encodeTransferFrame, encodeTransferHead, transferFrameBytes, writeTransferFrame } from './transfer-frame.ts'
export { type MemoryBudget, UNFINISHED_FREE_BYTES } from './unfinished.ts'
