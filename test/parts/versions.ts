/** Versions of the parts that are built or brought for tests, and what they are called in the parts cache. */
export const MINIO = {
  part: 'minio-20260212201848',
  module: 'github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c',
} as const
