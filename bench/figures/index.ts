/** The figures in their order: those of every run, and those that show how they grow. */
import type { Figure } from '../support/figure.ts'
import { c1 } from './c1.ts'
import { c2 } from './c2.ts'
import { growth } from './growth.ts'
import { p1 } from './p1.ts'
import { p10 } from './p10.ts'
import { p11 } from './p11.ts'
import { p12 } from './p12.ts'
import { p13 } from './p13.ts'
import { p14 } from './p14.ts'
import { p2 } from './p2.ts'
import { p3 } from './p3.ts'
import { p4 } from './p4.ts'
import { p5 } from './p5.ts'
import { p6 } from './p6.ts'
import { p7 } from './p7.ts'
import { p8 } from './p8.ts'
import { p9 } from './p9.ts'

export const FIGURES: readonly Figure[] = [p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, c1, c2]
export const GROWTH: readonly Figure[] = growth
