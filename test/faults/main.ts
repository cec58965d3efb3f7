/** `npm run faults`: the long campaigns (`HELP` says which). Each prints its seed and its figures; a seed that failed is given again. */
import { parseArgs } from 'node:util'
import { TestDaemon } from '../support/daemon.ts'
import { chooseSeed } from '../support/random.ts'
import { type Aim, EVERYTHING, RECLAIMING } from './aim.ts'
import { runCampaign } from './campaign.ts'
import { runClientCampaign } from './client-campaign.ts'
import { makeNoise } from './noise.ts'
import { type FileSystemName, PowerDisk } from './power-disk.ts'
import { BREAKS, catchBreak, FILE_SYSTEM_OF, strikesThatShow } from './prove.ts'
import { runRelayCampaign } from './relay-campaign.ts'
import { runRelayCuts } from './relay-cuts.ts'
import { KilledDaemon, PoweredMachine, type Victim } from './victims.ts'

const PROOF_STRIKES = 40
/** What is put and fetched through relays whose links are cut. */
const RELAY_BYTES = 60_000_000
const HELP = `npm run faults -- --only power-cuts,reclaim-cuts --power-cuts 20
npm run faults -- --prove --seed 20261124

  --kills N          kill -9 of the daemon (default 500)
  --client-kills N   kill -9 of \`tally put\` (default 200)
  --power-cuts N     power cuts under the daemon (default 100; root and Debian's fuse3, libfuse2, python3-fusepy)
  --file-system F    of the disk whose power is cut: ext4, or btrfs, which keeps nothing but what was synced (default ext4; btrfs-progs)
  --reclaim-kills N  kill -9 of daemon and \`tallyd gc\` while they remove what has expired (default 100)
  --reclaim-cuts N   power cuts meanwhile (default 50; as above)
  --relay-cuts N     cuts of each of two links between relays, during a put and a get of 60 MB (default 20)
  --relay-kills N    kill -9 of client, relays and daemon, with a bad link between the relays (default 100)
  --random-frames N  frames of noise (default 1000000)
  --only A,B         of all these only those that are named, such as kills,prove
  --prove            also show that the campaigns can fail, against daemons broken from outside
  --durability D     power or process: of the daemons that are killed (default: half of the kills each)
  --seed N           the plan and the aim of each blow (default: a random one, which is printed)
  -h, --help         print this and exit
`

const { values } = parseArgs({
  options: {
    'kills': { type: 'string', default: '500' },
    'client-kills': { type: 'string', default: '200' },
    'power-cuts': { type: 'string', default: '100' },
    'reclaim-kills': { type: 'string', default: '100' },
    'reclaim-cuts': { type: 'string', default: '50' },
    'relay-cuts': { type: 'string', default: '20' },
    'relay-kills': { type: 'string', default: '100' },
    'random-frames': { type: 'string', default: '1000000' },
    'file-system': { type: 'string', default: 'ext4' },
    'only': { type: 'string' },
    'durability': { type: 'string' },
    'prove': { type: 'boolean', default: false },
    'seed': { type: 'string' },
    'help': { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  process.stdout.write(HELP)
  process.exit(0)
}

const COUNTED = ['kills', 'client-kills', 'power-cuts', 'reclaim-kills', 'reclaim-cuts', 'relay-cuts', 'relay-kills', 'random-frames'] as const
const only: readonly string[] = values.only?.split(',') ?? COUNTED
const unknown = only.find(name => ![...COUNTED, 'prove'].includes(name))
if (unknown !== undefined) throw new Error(`--only ${unknown}: there are ${COUNTED.join(', ')}, prove`)
const fileSystem = fileSystemOf(values['file-system'])
const count = (name: typeof COUNTED[number]): number => (only.includes(name) ? Number(values[name]) : 0)

const seed = values.seed === undefined ? chooseSeed() : Number(values.seed)
const failures: string[] = []

if (count('kills') > 0) await kills('kills of the daemon', count('kills'), EVERYTHING)
if (count('client-kills') > 0) await attempt('kills of the client', async log => runClientCampaign({ seed, kills: count('client-kills'), log }))
if (count('power-cuts') > 0) await cuts('power cuts', count('power-cuts'), EVERYTHING)
if (count('reclaim-kills') > 0) await kills('kills while reclaiming', count('reclaim-kills'), RECLAIMING)
if (count('reclaim-cuts') > 0) await cuts('power cuts while reclaiming', count('reclaim-cuts'), RECLAIMING)
if (count('relay-cuts') > 0) {
  await attempt('cuts between relays', () => runRelayCuts({ seed, sizeBytes: RELAY_BYTES, cuts: count('relay-cuts') }))
}
if (count('relay-kills') > 0) {
  await attempt('kills around a bad link between relays', log => runRelayCampaign({ seed, kills: count('relay-kills'), log }))
}
if (count('random-frames') > 0) {
  await attempt('random frames', async () => {
    const daemon = new TestDaemon()
    try {
      await daemon.start()
      return await makeNoise(daemon, seed, count('random-frames'))
    } finally {
      await daemon.dispose()
    }
  })
}
if (values.prove || only.includes('prove')) {
  for (const broken of BREAKS) {
    for (const by of strikesThatShow(broken)) {
      const obstacle = by === 'cut' ? PowerDisk.obstacle(FILE_SYSTEM_OF[broken]) : undefined
      if (obstacle !== undefined) {
        report(false, `the break ${broken} is caught by a ${by}`, obstacle)
        continue
      }
      const caught = await catchBreak(broken, seed, PROOF_STRIKES, by)
      const how = caught?.message.split('\n').slice(0, 3).join(' | ') ?? `not within ${PROOF_STRIKES} strikes`
      report(caught !== undefined, `the break ${broken} is caught by a ${by}`, how)
    }
  }
}
process.exitCode = failures.length === 0 ? 0 : 1

function fileSystemOf(name: string): FileSystemName {
  if (name === 'ext4' || name === 'btrfs') return name
  throw new Error(`--file-system ${name}: there are ext4, btrfs`)
}

/** Half of them with each durability, unless one is told. */
async function kills(name: string, strikes: number, aim: Aim): Promise<void> {
  const told = values.durability
  for (const [durability, share] of [['power', Math.ceil(strikes / 2)], ['process', Math.floor(strikes / 2)]] as const) {
    if (told !== undefined && told !== durability) continue
    await campaign(`${name}, durability ${durability}`, told === undefined ? share : strikes, aim, () => new KilledDaemon({ durability }))
  }
}

async function cuts(name: string, strikes: number, aim: Aim): Promise<void> {
  const obstacle = PowerDisk.obstacle(fileSystem)
  if (obstacle === undefined) await campaign(`${name} on ${fileSystem}`, strikes, aim, () => new PoweredMachine({}, fileSystem))
  else report(false, name, obstacle)
}

async function campaign(name: string, strikes: number, aim: Aim, build: () => Victim): Promise<void> {
  await attempt(name, async log => {
    const victim = build()
    // A mounted disk would outlive us.
    const leave = (): void => { void victim.dispose().finally(() => process.exit(1)) }
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, leave)
    try {
      const tally = await runCampaign({ seed, strikes, victim, aim, log })
      return victim instanceof PoweredMachine ? { ...tally, sectors: victim.sectors } : tally
    } finally {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, leave)
      await victim.dispose()
    }
  })
}

async function attempt(name: string, run: (log: (line: string) => void) => Promise<unknown>): Promise<void> {
  process.stdout.write(`# ${name}, seed ${seed}\n`)
  const started = performance.now()
  try {
    const tally = await run(line => process.stdout.write(`#   ${line}\n`))
    report(true, name, `${JSON.stringify(tally)} in ${Math.round((performance.now() - started) / 1000)} s`)
  } catch (cause) {
    report(false, name, cause instanceof Error ? cause.stack ?? cause.message : String(cause))
  }
}

function report(good: boolean, name: string, what: string): void {
  if (!good) failures.push(name)
  process.stdout.write(`${good ? 'ok' : 'NOT OK'} ${name}: ${what}\n`)
}
