/**
 * The cache port: named stores of JSON objects under short keys, each with an optional time to live (hyper-api §§2, 5).
 *
 * An expired key is absent, everywhere and at once. A write is acknowledged only when it survives a kill of the process.
 */
import * as z from 'zod'
import type { Stored } from '../json-text.ts'
import {
  jsonObject,
  type Page,
  type PortLifecycle,
  type PortSchemas,
  pageOf,
  ruledString,
  storedObject,
} from './common.ts'

export type CacheValue = Record<string, unknown>

export interface CacheEntry {
  key: string
  value: Stored<CacheValue>
}

/** Every method but createStore and listStores throws STORE_NOT_FOUND when the store does not exist. */
export interface CachePort extends PortLifecycle {
  /** `store` arrives lowercased. @throws STORE_EXISTS */
  createStore(args: { store: string }): Promise<void>
  destroyStore(args: { store: string }): Promise<void>
  /** Names, ascending by code point. */
  listStores(args: Record<never, never>): Promise<{ names: string[] }>
  /** Removes every key, keeps the store. Answers how many live keys went. */
  emptyStore(args: { store: string }): Promise<{ count: number }>
  /**
   * @param args.ttlMs milliseconds from now until the key is gone; absent: never; 0 or less: gone at once.
   * @throws KEY_EXISTS when a live key is there
   */
  createDoc(args: { store: string; key: string; value: CacheValue; ttlMs?: number | undefined }): Promise<void>
  /** @throws KEY_NOT_FOUND when absent or expired */
  getDoc(args: { store: string; key: string }): Promise<Stored<CacheValue>>
  /**
   * Whole replacement or insert; the clock starts anew, and without `ttlMs` the key becomes permanent.
   * `ttlMs` of exactly 0 makes a live key permanent and a new one gone at once (hyper-api §5.2).
   */
  updateDoc(args: { store: string; key: string; value: CacheValue; ttlMs?: number | undefined }): Promise<void>
  /** Removing what is not there is fine. */
  deleteDoc(args: { store: string; key: string }): Promise<void>
  /**
   * Live entries whose whole key matches `pattern`, ascending by key: `*` is any run of characters, all else is literal
   * and case-sensitive, the empty pattern matches nothing. Absent: `*`.
   */
  listDocs(args: { store: string; pattern?: string | undefined }): Promise<Page<CacheEntry>>
}

const STORE_NAME = /^[a-z0-9][a-z0-9\-~_]*$/
const KEY = /^[a-z][a-z0-9\-~_/$+]*$/

const store = ruledString('NAME_INVALID', 'name is not valid', (name) => STORE_NAME.test(name))
const key = ruledString('KEY_INVALID', 'key is not valid', (name) => KEY.test(name))
const ttlMs = z.number().optional()
const none = z.void()

export const cachePort = {
  createStore: { args: z.object({ store }), result: none },
  destroyStore: { args: z.object({ store }), result: none },
  listStores: { args: z.object({}), result: z.object({ names: z.array(z.string()) }) },
  emptyStore: { args: z.object({ store }), result: z.object({ count: z.number() }) },
  createDoc: { args: z.object({ store, key, value: jsonObject, ttlMs }), result: none },
  getDoc: { args: z.object({ store, key }), result: storedObject },
  updateDoc: { args: z.object({ store, key, value: jsonObject, ttlMs }), result: none },
  deleteDoc: { args: z.object({ store, key }), result: none },
  listDocs: { args: z.object({ store, pattern: z.string().optional() }), result: pageOf<CacheEntry>() },
} satisfies PortSchemas<CachePort>
