/** `node --import …/ack-before-mark.ts daemon/main.ts`: the answer no longer waits for the commit. */
import { install } from './install.ts'

install('ack-before-mark')
