/**
 * `node --import …/later.ts daemon/main.ts`: a daemon whose clock is ahead by `TALLY_TEST_LATER_MS`, so that what expires need not be
 * waited for.
 */
const laterMs = Number(process.env['TALLY_TEST_LATER_MS'] ?? 0)
const nowMs = Date.now

Date.now = () => nowMs() + laterMs
