/** The few things we ask of an S3 server, inside one S3 bucket; every failure is told in our words. */
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { HyperError } from '../../server/error.ts'
import type { ByteRange } from '../../server/ports/storage.ts'
import { createLiveness } from '../shared/liveness.ts'
import type { S3Address } from './s3-address.ts'
import { asS3Error, codeOf, isConflict, isMissing } from './s3-error.ts'
import { AtMost } from './s3-turns.ts'

const CHECK_MS = 1_200
/** Nobody waits so long for a ping; it ends the request. */
const PING_MS = 2_000
/** From the beginning of a request to that of its answer, of a server that answers pings meanwhile. */
const REQUEST_MS = 300_000
/** More requests at once make neither side faster. */
const MOST_AT_ONCE = 32
const DEFAULT_REGION = 'us-east-1'
const REGION_MS = 500
/** What S3 lists or removes at once. */
const BATCH = 1_000

/** An object of S3: its bytes and its own entity tag. */
export interface Fetched {
  bytes: Buffer
  tag: string
}

export interface Listed {
  keys: string[]
  /** Of the last write of each key, by the server's clock. */
  times: number[]
  isLast: boolean
}

/** A part of a multipart upload that has arrived. */
export interface Part {
  PartNumber: number
  ETag: string | undefined
}

type Request<T> = (abortSignal: AbortSignal) => Promise<T>

export class S3Server {
  readonly #address: S3Address
  readonly #client: S3Client
  readonly #liveness
  readonly #line = new AtMost(MOST_AT_ONCE)
  readonly #at: (key: string) => { Bucket: string; Key: string }

  constructor(address: S3Address) {
    this.#address = address
    this.#client = connect(address)
    this.#at = (Key) => ({ Bucket: address.s3Bucket, Key })
    this.#liveness = createLiveness({
      server: address.server,
      ping: () => fetch(address.origin, { method: 'HEAD', redirect: 'manual', signal: AbortSignal.timeout(PING_MS) }),
    })
  }

  close(): void {
    this.#liveness.close()
    this.#client.destroy()
  }

  /** @throws BACKEND_UNAVAILABLE unless the server answers now and lets us in */
  async check(): Promise<void> {
    const command = new ListObjectsV2Command({ Bucket: this.#address.s3Bucket, MaxKeys: 1 })
    await this.#sendAtOnce((abortSignal) =>
      this.#client.send(command, { abortSignal: AbortSignal.any([abortSignal, AbortSignal.timeout(CHECK_MS)]) }),
    ).catch(orUndefined(isMissing))
  }

  /** The object, or its first `length` bytes; undefined for none. */
  async get(key: string, length?: number): Promise<Fetched | undefined> {
    return this.#unless(isMissing, async (abortSignal) => {
      const Range = length === undefined ? undefined : `bytes=0-${length - 1}`
      const got = await this.#client.send(new GetObjectCommand({ ...this.#at(key), Range }), { abortSignal })
      return { bytes: Buffer.from(await bodyOf(got).transformToByteArray()), tag: got.ETag ?? '' }
    })
  }

  /** Those bytes of an object, to be read to their end or destroyed; undefined for none. */
  async open(key: string, { start, end }: ByteRange): Promise<{ stream: Readable; length: number } | undefined> {
    const command = new GetObjectCommand({ ...this.#at(key), Range: `bytes=${start}-${end}` })
    const tooLate = new AbortController()
    const got = await this.#sendAtOnce(() => this.#client.send(command, { abortSignal: tooLate.signal })).catch(
      (error: HyperError) => {
        // Nobody would read the body of an answer that comes later.
        tooLate.abort()
        return orUndefined(isMissing)(error)
      },
    )
    return got && { stream: this.#reading(bodyOf(got)), length: got.ContentLength ?? -1 }
  }

  /** Makes the S3 bucket too when that is missing. */
  async put(key: string, body: Uint8Array): Promise<void> {
    await this.#put(key, body, {})
  }

  /** The same, but only where `tag` is what the key holds, or nothing is when that is undefined. Answers whether it was so. */
  async replace(key: string, body: Uint8Array, tag: string | undefined): Promise<boolean> {
    try {
      await this.#put(key, body, tag === undefined ? { IfNoneMatch: '*' } : { IfMatch: tag })
      return true
    } catch (error) {
      if (isConflict((error as HyperError).cause)) return false
      throw error
    }
  }

  /** One that is not there is fine. It may take as long as somebody reads what is removed. */
  async remove(key: string): Promise<void> {
    const command = new DeleteObjectCommand(this.#at(key))
    await this.#sendAtOnce((abortSignal) => this.#client.send(command, { abortSignal })).catch(orUndefined(isMissing))
  }

  /** At most those of one `list`. */
  async removeAll(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return
    const command = new DeleteObjectsCommand({
      Bucket: this.#address.s3Bucket,
      Delete: { Objects: keys.map((Key) => ({ Key })), Quiet: true },
      ChecksumAlgorithm: 'MD5', // the one that every S3 understands
    })
    const { Errors: [failed] = [] } = await this.#sendAtOnce((abortSignal) =>
      this.#client.send(command, { abortSignal }),
    )
    if (failed)
      throw asS3Error(
        Object.assign(new Error(), { name: failed.Code, $metadata: { httpStatusCode: 200 } }),
        this.#address.server,
      )
  }

  /** What begins with `prefix` and comes after `after`, ascending. */
  async list(prefix: string, after: string): Promise<Listed> {
    const command = new ListObjectsV2Command({
      Bucket: this.#address.s3Bucket,
      Prefix: prefix,
      StartAfter: after || undefined,
      MaxKeys: BATCH,
    })
    const listed = await this.#unless(isMissing, (abortSignal) => this.#client.send(command, { abortSignal }))
    const contents = listed?.Contents ?? []
    return {
      keys: contents.map(({ Key = '' }) => Key),
      times: contents.map(({ LastModified }) => Number(LastModified)),
      // A server that says there is more but tells none would be asked for ever.
      isLast: !listed?.IsTruncated || contents.length === 0,
    }
  }

  async count(prefix: string): Promise<number> {
    let count = 0
    for (let after = '', isLast = false; !isLast; ) {
      const listed = await this.list(prefix, after)
      count += listed.keys.length
      after = listed.keys.at(-1) ?? ''
      isLast = listed.isLast
    }
    return count
  }

  /** Copies inside the server; false when there is nothing to copy. */
  async copy(from: string, to: string): Promise<boolean> {
    const command = new CopyObjectCommand({ ...this.#at(to), CopySource: `${this.#address.s3Bucket}/${from}` })
    return (await this.#unless(isMissing, (abortSignal) => this.#client.send(command, { abortSignal }))) !== undefined
  }

  /** Begins a multipart upload; answers its id. */
  async beginParts(key: string): Promise<string> {
    const command = new CreateMultipartUploadCommand(this.#at(key))
    const { UploadId } = await this.#send((abortSignal) => this.#client.send(command, { abortSignal }))
    return UploadId ?? ''
  }

  async putPart(key: string, upload: string, number: number, body: Uint8Array): Promise<Part> {
    const command = new UploadPartCommand({ ...this.#at(key), UploadId: upload, PartNumber: number, Body: body })
    const { ETag } = await this.#send((abortSignal) => this.#client.send(command, { abortSignal }))
    return { PartNumber: number, ETag }
  }

  async joinParts(key: string, upload: string, parts: readonly Part[]): Promise<void> {
    const MultipartUpload = { Parts: [...parts] }
    const command = new CompleteMultipartUploadCommand({ ...this.#at(key), UploadId: upload, MultipartUpload })
    await this.#send((abortSignal) => this.#client.send(command, { abortSignal }))
  }

  /** One that has ended is fine. */
  async dropParts(key: string, upload: string): Promise<void> {
    const command = new AbortMultipartUploadCommand({ ...this.#at(key), UploadId: upload })
    await this.#unless(isMissing, (abortSignal) => this.#client.send(command, { abortSignal }))
  }

  /** The multipart uploads to a key that have not ended. */
  async uploadsTo(key: string): Promise<string[]> {
    const command = new ListMultipartUploadsCommand({ Bucket: this.#address.s3Bucket, Prefix: key })
    const listed = await this.#unless(isMissing, (abortSignal) => this.#client.send(command, { abortSignal }))
    return (listed?.Uploads ?? []).flatMap(({ UploadId }) => UploadId ?? [])
  }

  async #put(key: string, body: Uint8Array, condition: { IfMatch?: string; IfNoneMatch?: string }): Promise<void> {
    const command = () => new PutObjectCommand({ ...this.#at(key), Body: body, ...condition })
    const put = (abortSignal: AbortSignal) => this.#client.send(command(), { abortSignal })
    const done = await this.#unless((error) => codeOf(error) === 'NoSuchBucket', put)
    if (done) return
    const make = new CreateBucketCommand({ Bucket: this.#address.s3Bucket })
    const isMade = (error: unknown) => codeOf(error) === 'BucketAlreadyOwnedByYou'
    await this.#unless(isMade, (abortSignal) => this.#client.send(make, { abortSignal }))
    await this.#send(put)
  }

  /** Undefined where S3 fails as `expected`. */
  async #unless<T>(expected: (error: unknown) => boolean, request: Request<T>): Promise<T | undefined> {
    return this.#send(request).catch(orUndefined(expected))
  }

  /** @throws BACKEND_UNAVAILABLE with S3's error as its cause */
  async #send<T>(request: Request<T>): Promise<T> {
    return this.#line.take(() => this.#sendAtOnce(request))
  }

  /** Not in line with others, who would wait for it: it may take as long as a client of ours reads an object. */
  async #sendAtOnce<T>(request: Request<T>): Promise<T> {
    const abandon = new AbortController()
    try {
      return await this.#liveness.watch(
        () => request(abandon.signal),
        () => abandon.abort(),
      )
    } catch (error) {
      throw asS3Error(error, this.#address.server)
    }
  }

  /** A stream that fails when the server dies or falls silent half-way. */
  #reading(body: Readable): Readable {
    const chunks = body.iterator({ destroyOnReturn: false })
    const next = () => this.#sendAtOnce(() => chunks.next() as Promise<IteratorResult<Uint8Array>>)
    const stream = Readable.from(
      (async function* () {
        for (let { done, value } = await next(); !done; { done, value } = await next()) yield value
      })(),
      { objectMode: false },
    )
    return stream.once('close', () => body.destroy())
  }
}

function connect({ origin, isAmazon, region, credentials }: S3Address): S3Client {
  return new S3Client({
    endpoint: origin,
    // Elsewhere the names of S3 buckets are seldom host names.
    forcePathStyle: !isAmazon,
    region: region ?? once(defaultRegion),
    ...(credentials ? { credentials } : {}),
    // Else newer versions of the SDK send checksums that older servers do not know.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: 3,
    requestHandler: {
      requestTimeout: REQUEST_MS,
      throwOnRequestTimeout: true,
      httpAgent: { keepAlive: true, maxSockets: Number.POSITIVE_INFINITY },
      httpsAgent: { keepAlive: true, maxSockets: Number.POSITIVE_INFINITY },
    },
  })
}

/** The SDK would ask before each request. */
function once<T>(find: () => Promise<T>): () => Promise<T> {
  let found: Promise<T> | undefined
  return () => {
    found ??= find()
    return found
  }
}

/** What the SDK finds in the environment, in files or on the machine; on most there is nothing, and nobody there to say so. */
async function defaultRegion(): Promise<string> {
  const client = new S3Client({})
  const found = client.config.region().catch(() => DEFAULT_REGION)
  return Promise.race([found, sleep(REGION_MS, DEFAULT_REGION, { ref: false })]).finally(() => client.destroy())
}

function orUndefined(expected: (error: unknown) => boolean): (error: HyperError) => undefined {
  return (error) => {
    if (!expected(error.cause)) throw error
  }
}

function bodyOf({ Body }: GetObjectCommandOutput): Readable & { transformToByteArray(): Promise<Uint8Array> } {
  if (Body instanceof Readable) return Body as ReturnType<typeof bodyOf>
  throw new HyperError('INTERNAL', 'S3 answered without a body')
}
