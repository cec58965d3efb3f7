/**
 * The catalog's tables, version 2 of the store's format (migrations/ leads there from older ones). States are small numbers so that partial
 * indexes stay small; everything that a person would look for by hand (names, tags, digests) is text.
 */

import { USAGE_TRIGGERS } from './usage.ts'

/** `transfer.state` */
export const OPEN = 0
export const GONE = 1
/** `file.state`; finishing is receiving with `received = size`. */
export const RECEIVING = 0
export const STORED = 1
export const REMOVED = 2

export const SCHEMA = `
CREATE TABLE user (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  sequence INTEGER NOT NULL DEFAULT 0,  -- of the last event
  bytes INTEGER NOT NULL DEFAULT 0,     -- what counts for the quota, kept by triggers
  files INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE transfer (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  owner INTEGER NOT NULL REFERENCES user,
  fid TEXT NOT NULL,
  state INTEGER NOT NULL,
  chunk_size INTEGER NOT NULL,
  acks TEXT NOT NULL,
  made INTEGER NOT NULL,        -- 1: the daemon made the fid
  created INTEGER NOT NULL,     -- times are milliseconds since 1970
  touched INTEGER NOT NULL,     -- the last mark, or the announcement
  gone INTEGER,
  pairs INTEGER NOT NULL,       -- how many rows in pair
  UNIQUE (owner, fid)
) STRICT;
CREATE INDEX transfer_gone ON transfer (gone) WHERE state = 1;
CREATE INDEX transfer_paired ON transfer (id) WHERE pairs > 0;

-- The bytes of stored files: once per user and digest, in the blob of the file that brought them.
CREATE TABLE content (
  blob INTEGER PRIMARY KEY,
  owner INTEGER NOT NULL,
  digest TEXT NOT NULL,
  size INTEGER NOT NULL DEFAULT 0,
  damaged TEXT,                 -- JSON array of [first block, count]; NULL: nothing is known against it
  UNIQUE (owner, digest)
) STRICT;
CREATE INDEX content_damaged ON content (blob) WHERE damaged IS NOT NULL;
CREATE INDEX content_size ON content (owner, size);

-- CRC-32 of each block of 262,144 bytes, as u32 big-endian, 4,096 to a page; of contents larger than one block.
CREATE TABLE block_sum (
  content INTEGER NOT NULL REFERENCES content,
  page INTEGER NOT NULL,
  sums BLOB NOT NULL,
  PRIMARY KEY (content, page)
) STRICT, WITHOUT ROWID;

-- AUTOINCREMENT: an id is never used again, because blobs are named by it.
CREATE TABLE file (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  transfer INTEGER NOT NULL REFERENCES transfer,
  number INTEGER NOT NULL,
  owner INTEGER NOT NULL,       -- as in transfer: FIND walks by it
  name TEXT NOT NULL,
  size INTEGER,
  digest TEXT,                  -- as announced; once stored, content has the computed one
  media_type TEXT,
  modified INTEGER,
  expires INTEGER,
  meta BLOB,
  tags TEXT NOT NULL,           -- JSON array, in the order added
  state INTEGER NOT NULL,
  kind TEXT,
  chunk_size INTEGER NOT NULL,
  received INTEGER NOT NULL,    -- bytes marked
  content INTEGER REFERENCES content,
  stored INTEGER,
  UNIQUE (transfer, number)
) STRICT;
CREATE INDEX file_listed ON file (owner, state);
CREATE INDEX file_unfinished ON file (transfer) WHERE state = 0;
CREATE INDEX file_content ON file (content) WHERE content IS NOT NULL;
CREATE INDEX file_expires ON file (expires) WHERE state = 1 AND expires IS NOT NULL;

-- The tags of files that were not removed: first the owner's tag, with how many files have it, then the files by growing id.
CREATE TABLE label (
  id INTEGER PRIMARY KEY,
  owner INTEGER NOT NULL,
  tag TEXT NOT NULL,
  files INTEGER NOT NULL,
  UNIQUE (owner, tag)
) STRICT;
CREATE TABLE tagged (
  label INTEGER NOT NULL,
  file INTEGER NOT NULL,
  PRIMARY KEY (label, file)
) STRICT, WITHOUT ROWID;

-- Of files that are receiving or under repair: which chunks are marked, and the bytes that are not in the blob yet.
CREATE TABLE receipt (
  file INTEGER NOT NULL REFERENCES file,
  page INTEGER NOT NULL,
  bytes BLOB NOT NULL,
  PRIMARY KEY (file, page)
) STRICT, WITHOUT ROWID;
CREATE TABLE held (
  id INTEGER PRIMARY KEY,
  file INTEGER NOT NULL REFERENCES file,
  offset INTEGER NOT NULL,
  bytes BLOB NOT NULL
) STRICT;
CREATE INDEX held_file ON held (file);

CREATE TABLE pair (
  transfer INTEGER NOT NULL REFERENCES transfer,
  uuid BLOB NOT NULL,
  file INTEGER NOT NULL,        -- number of the file in the transfer
  chunk INTEGER NOT NULL,
  PRIMARY KEY (transfer, uuid)
) STRICT, WITHOUT ROWID;
CREATE INDEX pair_place ON pair (transfer, file, chunk);

-- Stored files whose damaged content takes chunks once more: into a blob apart, for these runs of blocks (JSON). Receipts are the repair's.
CREATE TABLE repair (
  file INTEGER PRIMARY KEY REFERENCES file,
  blob INTEGER NOT NULL UNIQUE,
  runs TEXT NOT NULL
) STRICT;

-- How far the scrub has read: one row, or none before the first pass.
CREATE TABLE scrub (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  began INTEGER NOT NULL,       -- of this pass
  blob INTEGER NOT NULL,        -- contents with a lower one are done
  block INTEGER NOT NULL,       -- of this content, the blocks below
  over INTEGER NOT NULL         -- 1: the next pass has not begun
) STRICT;

-- Blobs to unlink.
CREATE TABLE garbage (
  blob INTEGER PRIMARY KEY
) STRICT;

-- What happened to files, for WATCH: the newest of each user, numbered without gaps, each with the file as it was then.
CREATE TABLE event (
  owner INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  at INTEGER NOT NULL,
  event TEXT NOT NULL,          -- stored, tagged, removed
  file INTEGER NOT NULL,        -- id; the record may be gone
  fid TEXT NOT NULL,
  number INTEGER NOT NULL,
  name TEXT NOT NULL,
  size INTEGER,
  digest TEXT,
  media_type TEXT,
  modified INTEGER,
  expires INTEGER,
  tags TEXT NOT NULL,           -- JSON array
  tags_before TEXT,             -- of tagged: what they were
  state INTEGER NOT NULL,       -- of removed: what it was
  received INTEGER NOT NULL,
  created INTEGER NOT NULL,
  stored INTEGER,
  PRIMARY KEY (owner, sequence)
) STRICT, WITHOUT ROWID;

-- What each user has.
${USAGE_TRIGGERS}
PRAGMA user_version = 2;
`
