/**
 * What each user has (`quota.ts`), counted by triggers: whatever statement changes a file or a content, the figures change in its
 * transaction, and no statement can forget them.
 */
import { type Quota, type Usage, checkQuota } from '../quota.ts'
import type { Database } from './database.ts'

/** What a row of `file` counts for: a receiving file its size, or what is marked while that is not told; a stored one is its content's. */
const charge = (row: string): string => `(CASE ${row}.state WHEN 0 THEN coalesce(${row}.size, ${row}.received) ELSE 0 END)`
const add = (row: string, bytes: string, files: string): string =>
  `UPDATE user SET bytes = bytes + ${bytes}, files = files + ${files} WHERE id = ${row}.owner;`

/** Part of format 2. The numbers are the states of `schema.ts`. */
export const USAGE_TRIGGERS = `
CREATE TRIGGER file_announced AFTER INSERT ON file BEGIN ${add('NEW', charge('NEW'), '(NEW.state <> 2)')} END;
CREATE TRIGGER file_changed AFTER UPDATE OF state, size, received ON file
  WHEN ${charge('NEW')} <> ${charge('OLD')} OR (NEW.state = 2) <> (OLD.state = 2)
  BEGIN ${add('NEW', `${charge('NEW')} - ${charge('OLD')}`, '(OLD.state = 2) - (NEW.state = 2)')} END;
CREATE TRIGGER file_deleted AFTER DELETE ON file WHEN OLD.state <> 2 BEGIN ${add('OLD', `-${charge('OLD')}`, '-1')} END;
CREATE TRIGGER content_made AFTER INSERT ON content WHEN NEW.size > 0 BEGIN ${add('NEW', 'NEW.size', '0')} END;
CREATE TRIGGER content_deleted AFTER DELETE ON content WHEN OLD.size > 0 BEGIN ${add('OLD', '-OLD.size', '0')} END;
`

/** The user's figures; a user who is not known has nothing. */
export function usageOf(db: Database, user: string): Usage {
  const row = db.get('SELECT bytes, files FROM user WHERE name = ?', user)
  return { bytes: (row?.bytes ?? 0) as number, files: (row?.files ?? 0) as number }
}

/** Throws `quota-exceeded`, before anything has changed. */
export function checkGrowth(db: Database, owner: number, growth: Usage, quota: Quota | undefined): void {
  if (growth.bytes === 0 && growth.files === 0) return
  const row = db.get('SELECT bytes, files FROM user WHERE id = ?', owner)
  checkQuota({ bytes: (row?.bytes ?? 0) as number, files: (row?.files ?? 0) as number }, growth, quota)
}
