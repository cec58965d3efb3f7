/** The first chunk of a file in a transfer of its own: all of it, or the beginning of something larger. */
import type { RawClient } from './raw-client.ts'
import { numberedChunk } from './wire.ts'

export interface Put {
  readonly fid: string
  /** One chunk. */
  readonly bytes: Buffer
  /** Where it is not all. */
  readonly sizeBytes?: number
  /** More of what is announced. */
  readonly fields?: Readonly<Record<string, unknown>>
}

/** Throws an Error where it is refused. */
export async function put(client: RawClient, token: string, { fid, bytes, sizeBytes = bytes.length, fields = {} }: Put): Promise<void> {
  const file = { name: 'a', size: sizeBytes, ...fields }
  const answers = await Promise.all([
    client.authenticate(token, { fid, files: [file], 'chunk-size': bytes.length }),
    client.sendChunk(numberedChunk(fid, 0, 0), bytes),
  ])
  for (const answer of answers) if (answer.response !== 'Ok') throw new Error(answer.reason)
}
