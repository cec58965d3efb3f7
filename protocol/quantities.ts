/** Quantities as people read them, in the sentences of either program: how many of what, how many bytes, how long. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** `1 file`, `0 files`, `2 fetches`: the number with the noun that goes with it. */
export function countText(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}

/** `17 B`, `1.5 MiB`: powers of 1024. */
export function sizeText(bytes: number): string {
  let unit = 0
  let value = bytes
  for (; value >= 1024 && unit < UNITS.length - 1; unit++) value /= 1024
  return `${unit === 0 ? Math.floor(value) : value.toFixed(1)} ${UNITS[unit]}`
}

/** `7 s`, `3 min`, `5 h`, `12 days`: the largest unit that fits, rounded down. */
export function ageText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`
  return countText(Math.floor(seconds / 86_400), 'day')
}

/** `7 s`, `3 min`, `5.5 h`, `6.9 days`: the largest unit that fits. Of what is left a whole unit less would be much. */
export function leftText(ms: number): string {
  if (ms < 3_600_000) return ageText(ms)
  return ms < 86_400_000 ? `${(ms / 3_600_000).toFixed(1)} h` : `${(ms / 86_400_000).toFixed(1)} days`
}
