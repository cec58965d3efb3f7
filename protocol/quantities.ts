/** Quantities as people read them, in the sentences of either program: how many of what, and how many bytes. */

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
