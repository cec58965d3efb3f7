/**
 * How a stored file is named by people: `fid/N`, `sha256:…`, or `fid` alone, which means all files of the transfer, or its only one.
 */
import { TallyError, uuidToWords, wordsToUuid } from '../protocol/index.ts'

export type FileId = { readonly fid: string; readonly file?: number } | { readonly digest: string }

const NUMBER = /^(?:0|[1-9][0-9]{0,3})$/

/** Throws `malformed` with `field: 'id'`. */
export function parseFileId(text: string): FileId {
  if (/^sha256:[0-9a-f]{64}$/i.test(text)) return { digest: text.toLowerCase() }
  const [fid = '', number, ...rest] = text.split('/')
  const words = uuidToWords(fid)
  if (words !== undefined && rest.length === 0) {
    if (number === undefined) return { fid: wordsToUuid(words) }
    if (NUMBER.test(number)) return { fid: wordsToUuid(words), file: Number(number) }
  }
  throw new TallyError('malformed', `${JSON.stringify(text)} is no id: expected FID, FID/N or sha256:…`, { field: 'id' })
}
