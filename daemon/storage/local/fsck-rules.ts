/** What holds between the records of a catalog beside what its schema enforces: for each rule, a query of those that break it. */
import { RECEIVING, REMOVED, STORED } from './schema.ts'

const FILES_OF_USER = `(SELECT count(*) FROM file f WHERE f.owner = user.id AND f.state <> ${REMOVED})`
const BYTES_OF_USER = `((SELECT coalesce(sum(size), 0) FROM content WHERE owner = user.id)
  + (SELECT coalesce(sum(coalesce(size, received)), 0) FROM file WHERE owner = user.id AND state = ${RECEIVING}))`

/** What users count is derived from the rest, so it can be put right. */
export const USAGE_CORRECTION = `UPDATE user SET files = ${FILES_OF_USER}, bytes = ${BYTES_OF_USER}`

export const RECORD_RULES: readonly (readonly [what: string, sql: string])[] = [
  ['file is stored without a content', `SELECT id FROM file WHERE state = ${STORED} AND content IS NULL`],
  ['file is not stored and has a content', `SELECT id FROM file WHERE state <> ${STORED} AND content IS NOT NULL`],
  ['file has another owner than its transfer', 'SELECT f.id FROM file f JOIN transfer t ON t.id = f.transfer WHERE t.owner <> f.owner'],
  ['file has a content of another owner', 'SELECT f.id FROM file f JOIN content c ON c.blob = f.content WHERE c.owner <> f.owner'],
  ['file has another size than its content', 'SELECT f.id FROM file f JOIN content c ON c.blob = f.content WHERE c.size <> f.size'],
  ['file has more bytes than its size', 'SELECT id FROM file WHERE received > size'],
  ['file is not receiving and has receipts', `SELECT DISTINCT f.id FROM file f JOIN receipt r ON r.file = f.id
    WHERE f.state <> ${RECEIVING} AND NOT EXISTS (SELECT 1 FROM repair p WHERE p.file = f.id)`],
  ['file is under repair and not stored', `SELECT f.id FROM file f JOIN repair r ON r.file = f.id WHERE f.state <> ${STORED}`],
  ['content belongs to no file', 'SELECT c.blob AS id FROM content c WHERE NOT EXISTS (SELECT 1 FROM file f WHERE f.content = c.blob)'],
  ['content is garbage and in use', 'SELECT c.blob AS id FROM content c JOIN garbage g ON g.blob = c.blob'],
  ['user counts other files than there are', `SELECT id FROM user WHERE files <> ${FILES_OF_USER}`],
  ['user counts other bytes than there are', `SELECT id FROM user WHERE bytes <> ${BYTES_OF_USER}`],
  ['tag counts other files than have it', 'SELECT l.id FROM label l WHERE l.files <> (SELECT count(*) FROM tagged d WHERE d.label = l.id)'],
  ['tagged file is not there', `SELECT d.file AS id FROM tagged d LEFT JOIN file f ON f.id = d.file
    WHERE f.id IS NULL OR f.state = ${REMOVED}`],
]
