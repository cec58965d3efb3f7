/** The package's version and the Node that it needs, from the sources as well as from `dist/`. */
import { existsSync, readFileSync } from 'node:fs'

interface Package {
  readonly version: string
  readonly engines: { readonly node: string }
}

export function version(): string {
  return ours().version
}

/** Throws an Error with a sentence where this Node is older: else the first thing that it lacks says so, in Node's words. */
export function refuseOldNode(found = process.versions.node): void {
  const needed = ours().engines.node.replace(/^>=/, '')
  if (!isOlder(found, needed)) return
  throw new Error(`tallyd needs Node ${needed} or newer, and this is ${found} (${process.execPath}); put a newer one first in PATH`)
}

/** Of two versions with as many numbers; what follows those of a pre-release does not count. */
function isOlder(found: string, needed: string): boolean {
  const [have, want] = [found, needed].map(each => each.split('.').map(part => Number.parseInt(part, 10))) as [number[], number[]]
  const at = want.findIndex((number, index) => number !== have[index])
  return at !== -1 && (have[at] ?? 0) < (want[at] as number)
}

function ours(): Package {
  const path = [new URL('../package.json', import.meta.url), new URL('../../package.json', import.meta.url)].find(url => existsSync(url))
  return JSON.parse(readFileSync(path as URL, 'utf8')) as Package
}
