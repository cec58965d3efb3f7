/** FIND as P9 asks it: two required tags and a forbidden one, a page of 50, drawn anew for each question. */
import { randomUUID } from 'node:crypto'
import { MESSAGE_TYPE } from '../../protocol/index.ts'
import type { Access } from './daemon.ts'
import { Link, logIn } from './link.ts'
import { type TagClass, tagOf } from './population.ts'

/** What a question asks for: files with one tag of each of the first two classes and not this one of the third. */
export type Question = readonly [required: TagClass, required: TagClass, forbidden: TagClass]

/** From frequent tags, where the page fills at once, to rare ones, where files have to be looked for. */
export const QUESTIONS: readonly Question[] = [
  ['half', 'tenth', 'twentieth'], ['tenth', 'hundredth', 'half'], ['hundredth', 'thousandth', 'half'], ['half', 'thousandth', 'twentieth'],
]
const PAGE = 50

/** How long each of so many questions takes, in milliseconds: written until decoded. Throws where a file does not match. */
export async function timeFinds(access: Access, question: Question, count: number): Promise<number[]> {
  const link = await Link.open(access, 'msgpack')
  try {
    await logIn(link, access)
    const timesMs: number[] = []
    for (let asked = 0; asked < count; asked++) {
      const [first, second, forbidden] = question.map(tagClass => tagOf(tagClass)) as [string, string, string]
      const startMs = performance.now()
      const { files = [] } = await link.request({
        type: MESSAGE_TYPE.FIND, messageId: randomUUID(), tags: [first, second], anyTags: [], notTags: [forbidden], limit: PAGE,
      })
      timesMs.push(performance.now() - startMs)
      for (const file of files) {
        const tags = 'tags' in file ? file.tags : []
        if (!tags.includes(first) || !tags.includes(second) || tags.includes(forbidden)) throw new Error(`found a file tagged ${tags}`)
      }
    }
    return timesMs
  } finally {
    link.close()
  }
}
