/** Ids of documents that come without one: cuid's first format (hyper-api §4.2), sortable by time within a process. */
import { randomBytes, randomInt } from 'node:crypto'

const BLOCK = 36 ** 4
const fingerprint = base36(randomInt(BLOCK), 4)
let counter = 0

/** 25 characters: `c`, 8 of time in milliseconds, 4 of a counter, 4 of this process, 8 random, all base 36. */
export function newDocumentId(): string {
  counter = (counter + 1) % BLOCK
  const random = randomBytes(8)
  const tail = base36(random.readUInt32LE(0) % BLOCK, 4) + base36(random.readUInt32LE(4) % BLOCK, 4)
  return `c${base36(Date.now(), 8)}${base36(counter, 4)}${fingerprint}${tail}`
}

function base36(value: number, width: number): string {
  return value.toString(36).padStart(width, '0')
}
