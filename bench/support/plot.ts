/**
 * Curves as SVG, without any library: lines over a logarithmic or linear axis, with ticks, a legend and each line's points. The picture
 * follows the reader's light or dark scheme.
 */

export interface Plot {
  /** The file's name, without `.svg`. */
  readonly name: string
  readonly title: string
  readonly x: Axis
  readonly y: Axis
  readonly lines: readonly Line[]
}

export interface Axis {
  readonly label: string
  readonly scale: 'linear' | 'log'
  /** How a tick's value is written; default: the number. */
  readonly format?: (value: number) => string
}

export interface Line {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number])[]
}

const WIDTH = 720
const HEIGHT = 420
const BOX = { left: 76, right: 20, top: 44, bottom: 92 } as const
/** Told apart by people who see colours differently, too (Okabe and Ito), and by their marks. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'] as const
const STYLE = 'text{font:12px system-ui,sans-serif;fill:#333}.t{font-size:15px}.g{stroke:#ddd}.a{stroke:#888}'
  + 'rect{fill:#fff}@media(prefers-color-scheme:dark){text{fill:#ccc}rect{fill:#181818}.g{stroke:#333}}'

/** The picture. Every line has at least one point; on a logarithmic axis all values are above 0. */
export function drawPlot({ title, x, y, lines }: Plot): string {
  const all = lines.flatMap(({ points }) => points)
  const acrossX = scaleOf(x, all.map(point => point[0]), BOX.left, WIDTH - BOX.right, true)
  const acrossY = scaleOf(y, all.map(point => point[1]), HEIGHT - BOX.bottom, BOX.top, false)
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escape(title)}">`,
    `<style>${STYLE}</style><rect width="${WIDTH}" height="${HEIGHT}"/>`,
    `<text class="t" x="${BOX.left}" y="24">${escape(title)}</text>`,
    ...acrossX.ticks.map(value => {
      const at = round(acrossX.at(value))
      return `<path class="g" d="M${at} ${BOX.top}V${HEIGHT - BOX.bottom}"/>${text(at, HEIGHT - BOX.bottom + 18, 'middle', label(x, value))}`
    }),
    ...acrossY.ticks.map(value => {
      const at = round(acrossY.at(value))
      return `<path class="g" d="M${BOX.left} ${at}H${WIDTH - BOX.right}"/>${text(BOX.left - 8, at + 4, 'end', label(y, value))}`
    }),
    `<path class="a" fill="none" d="M${BOX.left} ${BOX.top}V${HEIGHT - BOX.bottom}H${WIDTH - BOX.right}"/>`,
    text((BOX.left + WIDTH - BOX.right) / 2, HEIGHT - BOX.bottom + 38, 'middle', x.label),
    `<text transform="translate(16 ${(BOX.top + HEIGHT - BOX.bottom) / 2}) rotate(-90)" text-anchor="middle">${escape(y.label)}</text>`,
    ...lines.map((line, index) => drawLine(line, index, acrossX.at, acrossY.at)),
    ...lines.map((line, index) => drawLegend(line, index)),
    '</svg>',
  ]
  return `${parts.join('\n')}\n`
}

function drawLine({ points }: Line, index: number, atX: At, atY: At): string {
  const colour = COLOURS[index % COLOURS.length]
  const places = points.map(([x, y]) => `${round(atX(x))} ${round(atY(y))}`)
  const marks = places.map(place => `<path d="M${place}${markOf(index)}" fill="${colour}"/>`)
  return `<path fill="none" stroke="${colour}" stroke-width="2" d="M${places.join('L')}"/>${marks.join('')}`
}

/** Two columns under the axis. */
function drawLegend({ name }: Line, index: number): string {
  const x = BOX.left + (index % 2) * ((WIDTH - BOX.left) / 2)
  const y = HEIGHT - 34 + Math.floor(index / 2) * 15
  const colour = COLOURS[index % COLOURS.length]
  return `<path d="M${x} ${y - 4}h18" stroke="${colour}" stroke-width="2"/><path d="M${x + 9} ${y - 4}${markOf(index)}" fill="${colour}"/>`
    + text(x + 26, y, 'start', name)
}

function markOf(index: number): string {
  return ['m-4-4h8v8h-8z', 'm0-5l5 5l-5 5l-5-5z', 'm0-5l5 9h-10z'][index % 3] ?? ''
}

type At = (value: number) => number

/** Where values stand between two pixels, and which get a tick: on a logarithmic axis just the values themselves where they were chosen. */
function scaleOf({ scale }: Axis, values: readonly number[], from: number, to: number, chosen: boolean): { at: At; ticks: number[] } {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  if (scale === 'log') {
    const [first, last] = [Math.log10(low), low === high ? Math.log10(low) + 1 : Math.log10(high)]
    const pad = (last - first) * 0.04
    const ticks = chosen ? [...new Set(values)] : decades(low, high)
    return { at: value => from + (Math.log10(value) - first + pad) / (last - first + 2 * pad) * (to - from), ticks }
  }
  const step = niceStep(high / 5)
  const top = Math.ceil(high / step) * step
  return { at: value => from + value / top * (to - from), ticks: Array.from({ length: Math.round(top / step) + 1 }, (_, i) => i * step) }
}

function decades(low: number, high: number): number[] {
  const ticks: number[] = []
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++) {
    for (const digit of high / low > 1000 ? [1] : [1, 2, 5]) ticks.push(digit * 10 ** power)
  }
  return ticks.filter(value => value >= low * 0.999 && value <= high * 1.001)
}

function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough))
  return ([1, 2, 5, 10].find(digit => digit * power >= rough) ?? 10) * power
}

function label({ format }: Axis, value: number): string {
  return format === undefined ? Number(value.toPrecision(6)).toLocaleString('en-US') : format(value)
}

function text(x: number, y: number, anchor: 'start' | 'middle' | 'end', content: string): string {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${escape(content)}</text>`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escape(content: string): string {
  return content.replace(/[&<>"]/g, char => `&#${char.charCodeAt(0)};`)
}
