/** Every program that a figure may start beside the daemon: one line each, so that a figure reads as what it compares. */
import type { DelayTask } from '../baselines/delay-line.ts'
import type { PingPongResult, PingPongTask } from '../baselines/ping-pong.ts'
import type { PipeResult, PipeTask } from '../baselines/pipe.ts'
import type { Sha256Result, Sha256Task } from '../baselines/sha256.ts'
import type { SyncResult, SyncTask } from '../baselines/sync.ts'
import type { CrowdTask } from '../clients/crowd.ts'
import type { DownloadResult, DownloadTask } from '../clients/download.ts'
import type { LibraryResult, LibraryTask } from '../clients/library.ts'
import type { StopAndWaitResult, StopAndWaitTask } from '../clients/stop-and-wait.ts'
import type { UploadResult, UploadTask } from '../clients/upload.ts'
import { Child } from './child.ts'
import type { BenchContext } from './figure.ts'

export interface TusTask {
  readonly role: 'server' | 'client'
  /** Where a server keeps its files; the file that a client sends. */
  readonly path: string
  /** Of the server, as it answered. */
  readonly port: number
}

const at = (path: string): URL => new URL(`../${path}`, import.meta.url)

export const baselines = {
  delayLine: () => new Child<DelayTask, number>(at('baselines/delay-line.ts')),
  pingPong: () => new Child<PingPongTask, PingPongResult>(at('baselines/ping-pong.ts')),
  pipe: () => new Child<PipeTask, PipeResult>(at('baselines/pipe.ts')),
  sha256: () => new Child<Sha256Task, Sha256Result>(at('baselines/sha256.ts')),
  sync: () => new Child<SyncTask, SyncResult>(at('baselines/sync.ts')),
  /** A server answers its port, a client its seconds. */
  tus: () => new Child<TusTask, number>(at('baselines/tus/tus.mjs')),
} as const

export const clients = {
  crowd: (context: BenchContext) => new Child<CrowdTask, number>(at('clients/crowd.ts'), context.profileDirectory),
  download: (context: BenchContext) => new Child<DownloadTask, DownloadResult>(at('clients/download.ts'), context.profileDirectory),
  library: (context: BenchContext) => new Child<LibraryTask, LibraryResult>(at('clients/library.ts'), context.profileDirectory),
  stopAndWait: (context: BenchContext) => {
    return new Child<StopAndWaitTask, StopAndWaitResult>(at('clients/stop-and-wait.ts'), context.profileDirectory)
  },
  upload: (context: BenchContext) => new Child<UploadTask, UploadResult>(at('clients/upload.ts'), context.profileDirectory),
} as const
