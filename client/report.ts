/** Asks for the whole report on a transfer, page by page, by announcing it (protocol, 3.1). */
import { type Authentication, CHUNK_SIZE_BYTES_DEFAULT, type FileReport, MESSAGE_TYPE, type Place, type Run } from '../protocol/index.ts'
import type { Connection } from './connection.ts'
import type { Asking, Link } from './link.ts'
import { withRetries } from './timings.ts'

export interface Report {
  /** How many chunks may be unanswered. */
  readonly window: number
  /** By file number. `missing` is complete, ascending, and no two of its runs touch. */
  readonly files: readonly (FileReport & { readonly chunkSizeBytes: number })[]
}

/** What an announcement says; the message-id and the token are made for each page. */
export type Announcement = Omit<Authentication, 'messageId' | 'token' | 'missingAfter'> & { readonly chunkSizeBytes: number }

/** Throws what the daemon refuses, and as `Link.ask`. */
export async function askReport(link: Link, connection: Connection, announcement: Announcement, signal?: AbortSignal): Promise<Report> {
  const files: { report: FileReport; missing: Run[]; chunkSizeBytes: number }[] = []
  let window = 1
  let after: Place | undefined
  do {
    const ok = await link.ask(connection, {
      ...announcement, token: await link.token(signal), ...(after === undefined ? {} : { missingAfter: after }),
    }, signal)
    window = ok.window ?? window
    for (const [number, report] of (ok.files ?? []).entries() as Iterable<[number, FileReport]>) {
      const missing = files[number]?.missing ?? []
      for (const run of report.missing) append(missing, run)
      files[number] = { report, missing, chunkSizeBytes: report.chunkSizeBytes ?? ok.chunkSizeBytes ?? announcement.chunkSizeBytes }
    }
    after = ok.more
  } while (after !== undefined)
  return { window, files: files.map(({ report, missing, chunkSizeBytes }) => ({ ...report, missing, chunkSizeBytes })) }
}

/**
 * The same of a transfer that the daemon knows, again after failures. Throws `unknown-fid`, `conflict` (gone), and as `withRetries`.
 * @param files what is told of each of them; absent: nothing
 */
export async function reportOn(link: Link, fid: string, { signal, onEvent }: Asking, files: Announcement['files'] = []): Promise<Report> {
  const known = { type: MESSAGE_TYPE.AUTHENTICATION, fid, files, tags: [], chunkSizeBytes: CHUNK_SIZE_BYTES_DEFAULT } as const
  return withRetries(link.timings, signal, onEvent, async () => askReport(link, await link.connection(signal), known, signal))
}

/** A run that touches the one before, as at the seam of two pages, lengthens it. */
function append(runs: Run[], run: Run): void {
  const last = runs.at(-1)
  if (last !== undefined && last[0] + last[1] === run[0]) runs[runs.length - 1] = [last[0], last[1] + run[1]]
  else runs.push(run)
}
