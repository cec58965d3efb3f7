/** `node --import …/mark-before-bytes.ts daemon/main.ts`: mark and bytes swapped. */
import { install } from './install.ts'

install('mark-before-bytes')
