/**
 * Reads the pages of docs/ for the tests that hold them to the code: fenced blocks by their label, rows of tables, headings.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export const ROOT = join(import.meta.dirname, '../..')

export interface Block {
  /** The whole label behind the fence, such as `hex client`. */
  readonly label: string
  readonly text: string
}

export function readPage(name: string): string {
  return readFileSync(join(ROOT, 'docs', name), 'utf8')
}

/** The fenced blocks whose label begins with a word, in order. */
export function blocks(page: string, word: string): Block[] {
  return [...page.matchAll(/^```(\S[^\n]*)\n(.*?)^```$/gms)]
    .map(([, label = '', text = '']) => ({ label, text }))
    .filter(({ label }) => label.split(' ')[0] === word)
}

/** The bytes of a hex block: spaces are for the eye, what follows `#` is a comment. */
export function hexBytes({ text }: Block): Buffer {
  const digits = text.replace(/#.*$/gm, '').replace(/\s+/g, '')
  if (!/^([0-9a-f]{2})+$/.test(digits)) throw new Error(`no hex: ${digits}`)
  return Buffer.from(digits, 'hex')
}

/** The cells of every row of the table that has this header, without the header. */
export function table(page: string, header: string): string[][] {
  const lines = page.split('\n')
  const from = lines.findIndex(line => line.startsWith(header))
  if (from < 0) throw new Error(`no table begins with ${header}`)
  const rows: string[][] = []
  for (const line of lines.slice(from + 2)) {
    if (!line.startsWith('|')) break
    rows.push(line.split(/(?<!\\)\|/).slice(1, -1).map(cell => cell.trim()))
  }
  return rows
}

export function headings(page: string): string[] {
  return [...page.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading)
}
