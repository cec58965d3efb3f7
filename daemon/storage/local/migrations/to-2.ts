/** From format 1 to format 2: a new store's tables, `schema.ts`, are the same after it (a test compares). */

export const TO_2 = `
ALTER TABLE content ADD COLUMN damaged TEXT;
CREATE INDEX content_damaged ON content (blob) WHERE damaged IS NOT NULL;
CREATE TABLE block_sum (
  content INTEGER NOT NULL REFERENCES content,
  page INTEGER NOT NULL,
  sums BLOB NOT NULL,
  PRIMARY KEY (content, page)
) STRICT, WITHOUT ROWID;
ALTER TABLE user ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0;
CREATE TABLE event (
  owner INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  at INTEGER NOT NULL,
  event TEXT NOT NULL,
  file INTEGER NOT NULL,
  fid TEXT NOT NULL,
  number INTEGER NOT NULL,
  name TEXT NOT NULL,
  size INTEGER,
  digest TEXT,
  media_type TEXT,
  modified INTEGER,
  expires INTEGER,
  tags TEXT NOT NULL,
  tags_before TEXT,
  state INTEGER NOT NULL,
  received INTEGER NOT NULL,
  created INTEGER NOT NULL,
  stored INTEGER,
  PRIMARY KEY (owner, sequence)
) STRICT, WITHOUT ROWID;
`
