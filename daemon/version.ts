/** The package's version, from the sources as well as from `dist/`. */
import { existsSync, readFileSync } from 'node:fs'

export function version(): string {
  const path = [new URL('../package.json', import.meta.url), new URL('../../package.json', import.meta.url)].find(url => existsSync(url))
  const { version } = JSON.parse(readFileSync(path as URL, 'utf8')) as { version: string }
  return version
}
