/** Everything that tests run on beside Node and its packages, in the order it can be had. */
import { compose, minio, mongo } from './built.ts'
import { DEBIAN_PARTS } from './debian.ts'
import { base, serviceImages } from './images.ts'
import { officialImages } from './official-images.ts'
import type { Part } from './part.ts'
import { product } from './product-image.ts'

/** Programs and libraries of this machine. */
export const PROGRAMS: readonly Part[] = [...DEBIAN_PARTS, compose, minio, mongo]

/** What a running Docker engine keeps. */
export const IMAGES: readonly Part[] = [
  ...(process.env.HYPER_TEST_IMAGES === 'official' ? officialImages : [base, ...serviceImages]),
  product,
]
