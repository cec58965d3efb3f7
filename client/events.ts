/**
 * What a client tells while it works, for progress bars, logs and tests: every retry is visible here. Nothing depends on anybody listening.
 */

/** Figures of one upload. Chunks are counted once per sending or acknowledgement, over all files of the transfer. */
export interface UploadCounts {
  /** TRANSFER messages written, repetitions included. */
  chunksSent: number
  /** Sent again because no Ok for them had been seen. */
  chunksSentTwice: number
  /** Sent again although an Ok had been seen: 0, unless the daemon lost them. What `digest-mismatch` asks for again is not counted. */
  acknowledgedSentAgain: number
  /** Of those, lost by the daemon: reported missing although acknowledged. Never 0 is a broken promise. */
  acknowledgedLost: number
  /** Present at the daemon before this upload sent anything. */
  resumedChunks: number
  /** Connections that this upload used after its first. */
  reconnects: number
}

export type ClientEvent =
  | { readonly type: 'connected'; readonly path: string; readonly user: string }
  /**
   * Something broke, and is tried again after a pause; `stop()` lets it fail now, with `gave-up`. `attempt` counts from 1. If nothing
   * moves, it gives up `leftMs` from now (Infinity: never).
   */
  | {
    readonly type: 'retry'
    readonly attempt: number
    readonly afterMs: number
    readonly leftMs: number
    readonly cause: Error
    stop(): void
  }
  /** How far a large file is that is hashed before it is sent. */
  | { readonly type: 'hashing'; readonly hashedBytes: number; readonly totalBytes: number }
  | { readonly type: 'announced'; readonly fid: string; readonly chunks: number; readonly presentChunks: number }
  | { readonly type: 'finishing'; readonly fid: string }
  /**
   * At most one per answer. Acknowledged is what is safe at the daemon (a put) or written here (a get), what was there before included;
   * sent is that and what is on its way. `totalBytes` is null while a size is not known. For `putAll` and `getAll`: over all files begun.
   */
  | {
    readonly type: 'progress'
    readonly sentBytes: number
    readonly acknowledgedBytes: number
    readonly totalBytes: number | null
    readonly counts?: Readonly<UploadCounts>
  }
  /**
   * A watch begins, or goes on, after events that the daemon keeps no longer: some were missed. Where `sequence`, the number of the latest
   * event, is below `since`, there never was such a number in this store: it is another one, or an older state of it.
   */
  | { readonly type: 'truncated'; readonly since: number; readonly sequence?: number }
  | { readonly type: 'stored'; readonly fid: string; readonly file: number; readonly digest: string }

export type OnEvent = (event: ClientEvent) => void
