/** From format 1 to format 2: a new store's tables, `schema.ts`, are the same after it (a test compares). */
import { USAGE_TRIGGERS } from '../usage.ts'

export const TO_2 = `
ALTER TABLE content ADD COLUMN damaged TEXT;
CREATE INDEX content_damaged ON content (blob) WHERE damaged IS NOT NULL;
CREATE TABLE block_sum (
  content INTEGER NOT NULL REFERENCES content,
  page INTEGER NOT NULL,
  sums BLOB NOT NULL,
  PRIMARY KEY (content, page)
) STRICT, WITHOUT ROWID;
CREATE TABLE scrub (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  began INTEGER NOT NULL,
  blob INTEGER NOT NULL,
  block INTEGER NOT NULL,
  over INTEGER NOT NULL
) STRICT;
CREATE TABLE repair (
  file INTEGER PRIMARY KEY REFERENCES file,
  blob INTEGER NOT NULL UNIQUE,
  runs TEXT NOT NULL
) STRICT;
ALTER TABLE user ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0;
ALTER TABLE user ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE user ADD COLUMN files INTEGER NOT NULL DEFAULT 0;
ALTER TABLE content ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
UPDATE content SET size = (SELECT f.size FROM file f WHERE f.content = content.blob LIMIT 1);
CREATE INDEX content_size ON content (owner, size);
UPDATE user SET
  files = (SELECT count(*) FROM file f WHERE f.owner = user.id AND f.state <> 2),
  bytes = (SELECT coalesce(sum(coalesce(f.size, f.received)), 0) FROM file f WHERE f.owner = user.id AND f.state = 0)
    + (SELECT coalesce(sum(c.size), 0) FROM content c WHERE c.owner = user.id);
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
${USAGE_TRIGGERS}`
