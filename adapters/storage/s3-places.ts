/** Where things are in the S3 bucket. */
import { randomBytes } from 'node:crypto'

/** All of them end with a slash, and what is in them begins with them. */
export interface Places {
  /** One record per bucket: its name and its generation. */
  buckets: string
  /** One record per object: what is known of it and, while that is little, its bytes. */
  objects(generation: string): string
  /** The bytes of larger objects, under random names; never changed. */
  bodies(generation: string): string
  /** What is still to be removed, if nobody does it before. */
  chores: string
}

export function placesIn(root: string): Places {
  return {
    buckets: `${root}buckets/`,
    objects: (generation) => `${root}objects/${generation}/`,
    bodies: (generation) => `${root}bodies/${generation}/`,
    chores: `${root}chores/`,
  }
}

/** For whatever must be told from all others. */
export function newId(): string {
  return randomBytes(8).toString('hex')
}
