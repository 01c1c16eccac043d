/** Where the server is and who we are there, read from the adapter's options. */
import type { S3ClientConfig } from '@aws-sdk/client-s3'
import { HyperError } from '../../server/error.ts'

/** As in `RemoteOptions` of the registry. */
export interface S3StorageOptions {
  /**
   * Such as `http://minio:9000`, `https://s3.eu-west-1.amazonaws.com/my-bucket` or `https://key:secret@host/bucket?region=eu-1`.
   * The path names the S3 bucket that holds everything, made when it is missing. @default the namespace
   */
  url: string
  /** Access key; else that in the URL, else what the AWS SDK finds in the environment, in files or on the machine. */
  key?: string | undefined
  secretKey?: string | undefined
  /** What our keys in the S3 bucket begin with. @default 'hyper' */
  namespace?: string | undefined
}

export interface S3Address {
  /** What messages call the server, without secrets. */
  server: string
  origin: string
  s3Bucket: string
  /** What all keys of ours begin with, with a slash at its end. */
  root: string
  isAmazon: boolean
  /** Absent: what the SDK finds. */
  region: string | undefined
  credentials: S3ClientConfig['credentials']
}

const BUCKET_NAME = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/
const NAMESPACE = /^[A-Za-z0-9][\w-]{0,62}$/

/** @throws CONFIG_INVALID */
export function addressOf({ url: text, key, secretKey, namespace = 'hyper' }: S3StorageOptions): S3Address {
  const url = URL.parse(text)
  if (!url?.host || !/^https?:$/.test(url.protocol)) throw invalid('the url of the storage is none of http or https')
  if (!NAMESPACE.test(namespace)) throw invalid(`the namespace '${namespace}' is not valid`)
  const s3Bucket = decoded(url.pathname.replace(/^\/+|\/+$/g, '')) || namespace.toLowerCase()
  if (!BUCKET_NAME.test(s3Bucket)) throw invalid(`'${s3Bucket}' cannot be the name of an S3 bucket`)

  const accessKeyId = key ?? decoded(url.username)
  const secretAccessKey = secretKey ?? decoded(url.password)
  if (Boolean(accessKeyId) !== Boolean(secretAccessKey))
    throw invalid('the storage has one of access key and secret key')
  return {
    server: `S3 at ${url.host}`,
    origin: url.origin,
    s3Bucket,
    root: `${namespace}/`,
    isAmazon: /\.amazonaws\.com(\.cn)?$/.test(url.hostname),
    region: url.searchParams.get('region') ?? /\bs3[.-]([a-z]+(?:-[a-z]+)+-\d)\./.exec(url.hostname)?.[1],
    credentials: accessKeyId ? { accessKeyId, secretAccessKey } : undefined,
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid('the url of the storage has a % that is no escape: write it as %25')
  }
}

function invalid(message: string): HyperError {
  return new HyperError('CONFIG_INVALID', message, {
    hint: 'Set services.storage.url to something like https://s3.eu-west-1.amazonaws.com/my-bucket, and key and secretKey beside it.',
  })
}
