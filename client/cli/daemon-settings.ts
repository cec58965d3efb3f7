/** `tally settings`: what the daemon is set to and where each value comes from; reads settings and keys again when told. */
import type { ValueMap } from '../../protocol/index.ts'
import { UsageError } from './arguments.ts'
import { type Command, connectAs } from './command.ts'
import { EXIT } from './exit.ts'
import { escaped } from './text.ts'

const KEY_CHARS = 16

export const daemonSettings: Command = {
  name: 'settings',
  usage: '',
  summary: 'show the daemon\'s settings and keys; read them again',
  examples: [
    ['tally settings', 'each setting that holds, where it comes from, and whether a new value holds at once'],
    ['tally settings --reload', 'what HUP does, and what it changed'],
  ],
  flags: [{ name: 'reload', help: 'read the configuration and the keys again' }],
  async run(context) {
    const { given, output, signal } = context
    if (given.positionals.length > 0) throw new UsageError('settings takes no arguments besides flags')
    await using tally = await connectAs(context, ['admin'])
    const found = await tally.operator.settings({ reload: given.has('reload'), signal })
    const { failure } = found
    // What holds is what held before: it would only hide what is to be mended.
    if (failure === undefined || output.json) output.result(textOf(found), found)
    for (const warning of listOf(found['warnings'])) output.say(`tally: warning: ${escaped(String(warning))}`)
    if (failure === undefined) return EXIT.DONE
    const mistakes = listOf(found['mistakes'])
    for (const mistake of mistakes.length > 0 ? mistakes : [failure]) output.say(`tally: nothing was changed: ${escaped(String(mistake))}`)
    return EXIT.FAILED
  },
}

function textOf(found: ValueMap): string {
  const settings = listOf(found['settings']).map(setting => setting as ValueMap)
  const rows = settings.map(({ name, values, origin, live, next }) => {
    const waiting = next === undefined ? 'next start' : `next start: ${textOfValues(next)}`
    return [String(name), textOfValues(values), String(origin), live === true ? 'at once' : waiting].map(escaped)
  })
  const widths = [0, 1, 2].map(column => Math.max(0, ...rows.map(row => row[column]?.length ?? 0)))
  const lines = rows.map(row => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd())
  const keys = listOf(found['keys']).map(key => `key ${escaped(shortKey(key))}`)
  return [...lines, ...keys, ...changesIn(found)].join('\n')
}

/** After a reload: what it changed, and what waits, each setting with its old values and its new ones. */
function changesIn(found: ValueMap): readonly string[] {
  if (found['changed'] === undefined) return []
  const waiting = new Set(listOf(found['waiting']))
  const changes = listOf(found['changes']).map(change => change as ValueMap)
  const width = Math.max(0, ...changes.map(({ name }) => String(name).length))
  const section = (title: string, ofWaiting: boolean): readonly string[] => {
    const rows = changes.filter(({ name }) => waiting.has(name as string) === ofWaiting)
      .map(({ name, before, after }) => {
        const [old, now] = [before, after].map(values => textOfValues(name === 'keys' ? listOf(values).map(shortKey) : values))
        return escaped(`  ${String(name).padEnd(width)}  ${old} → ${now}`)
      })
    return rows.length > 0 ? [title, ...rows] : ofWaiting ? [] : [`${title} nothing`]
  }
  return [...section('changed:', false), ...section('holds from the next start on:', true)]
}

function shortKey(key: ValueMap[string]): string {
  return `${String(key).slice(0, KEY_CHARS)}…`
}

function textOfValues(values: ValueMap[string] | undefined): string {
  return listOf(values).map(String).join(' ') || 'not set'
}

function listOf(value: ValueMap[string] | undefined): readonly ValueMap[string][] {
  return Array.isArray(value) ? value : []
}
