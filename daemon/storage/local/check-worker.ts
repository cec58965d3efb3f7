/**
 * The thread that reads whole stored blobs because one of their blocks was found damaged, and repairs them: nobody who serves or hashes
 * waits for it.
 */
import { workerData } from 'node:worker_threads'
import type { FileId, Repair } from '../storage.ts'
import { blobPath } from './blob-path.ts'
import { checkBlob } from './check-blob.ts'
import { repairBlob } from './repair-blob.ts'
import { serveLink } from './worker-link.ts'

const { blobs } = workerData as { blobs: string }

serveLink({
  check: (blob: FileId, sizeBytes: number, digest: string, sums: Uint8Array) => checkBlob(blobPath(blobs, blob).file, sizeBytes, digest, sums).damaged,
  repair: (repair: Repair) => repairBlob(blobs, repair),
  close: () => undefined,
})
