/** The figures in their order: those of every run, and those that show how they grow. */
import type { Figure } from '../support/figure.ts'
import { p1 } from './p1.ts'
import { p11 } from './p11.ts'
import { p2 } from './p2.ts'
import { p3 } from './p3.ts'
import { p4 } from './p4.ts'
import { p5 } from './p5.ts'
import { p6 } from './p6.ts'

export const FIGURES: readonly Figure[] = [p1, p2, p3, p4, p5, p6, p11]
export const GROWTH: readonly Figure[] = []
