/**
 * What the cache asks of Redis, as Lua that runs on the server: one round trip each, nothing in between. A store is a member of the set
 * of stores and three keys: a hash of values, a sorted set of their keys in order of bytes, and a sorted set of when they expire. So
 * emptying a store costs the server nothing, its live keys are counted without looking at them, and an expired key is absent at once:
 * the server's own clock decides at each call, to the microsecond.
 *
 * Each script is given the set of stores and the three keys of one store, and that store's name first of all arguments.
 */
import type { Redis } from 'ioredis'

/** Of the scripts that answer with a number. */
export const NO_STORE = -1
export const KEY_TAKEN = -2

/** Expired entries that each write removes from its store: more than it adds. */
const SWEPT_PER_WRITE = 2

const PRELUDE = `
local stores, values, keys, expiries = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
if redis.call('SISMEMBER', stores, ARGV[1]) == 0 then return ${NO_STORE} end
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000

local function live(key)
  local expiry = redis.call('ZSCORE', expiries, key)
  return not expiry or tonumber(expiry) > now
end

local function drop(key)
  redis.call('HDEL', values, key)
  redis.call('ZREM', keys, key)
  redis.call('ZREM', expiries, key)
end

local function sweep(limit)
  local expired = redis.call('ZRANGEBYSCORE', expiries, '-inf', now, 'LIMIT', 0, limit)
  for _, key in ipairs(expired) do drop(key) end
  return #expired
end

local function put(key, value, ttl)
  if ttl and ttl <= 0 then return drop(key) end
  redis.call('HSET', values, key, value)
  redis.call('ZADD', keys, 0, key)
  if ttl then
    redis.call('ZADD', expiries, now + ttl, key)
  else
    redis.call('ZREM', expiries, key)
  end
end
`

const SCRIPTS = {
  emptyStore: `
    local count = redis.call('HLEN', values) - redis.call('ZCOUNT', expiries, '-inf', now)
    redis.call('UNLINK', values, keys, expiries)
    return count`,

  destroyStore: `
    redis.call('SREM', stores, ARGV[1])
    redis.call('UNLINK', values, keys, expiries)
    return 0`,

  // key, value, ttl or ''
  createDoc: `
    local key = ARGV[2]
    if redis.call('HEXISTS', values, key) == 1 and live(key) then return ${KEY_TAKEN} end
    put(key, ARGV[3], tonumber(ARGV[4]))
    sweep(${SWEPT_PER_WRITE})
    return 0`,

  // key, value, ttl or ''; 0 makes a live key permanent
  updateDoc: `
    local key, ttl = ARGV[2], tonumber(ARGV[4])
    if ttl == 0 and redis.call('HEXISTS', values, key) == 1 and live(key) then ttl = nil end
    put(key, ARGV[3], ttl)
    sweep(${SWEPT_PER_WRITE})
    return 0`,

  // key; nothing where none is
  getDoc: `
    local value = redis.call('HGET', values, ARGV[2])
    return value and live(ARGV[2]) and value`,

  // key
  deleteDoc: `
    drop(ARGV[2])
    return 0`,

  // the most entries, the most bytes, the most keys to look at; the range of keys; the runs of literal characters between stars
  listDocs: `
    local entries, bytes, looks = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
    local from, to = ARGV[5], ARGV[6]
    local suffix = #ARGV > 7 and ARGV[#ARGV] or ''

    local function matches(key)
      local position = #ARGV[7] + 1
      for run = 8, #ARGV - 1 do
        local _, last = string.find(key, ARGV[run], position, true)
        if not last then return false end
        position = last + 1
      end
      local start = #key - #suffix + 1
      return start >= position and string.sub(key, start) == suffix
    end

    local found, last = {}, ''
    for _, key in ipairs(redis.call('ZRANGEBYLEX', keys, from, to, 'LIMIT', 0, looks)) do
      last, looks = key, looks - 1
      local value = (from == to or matches(key)) and live(key) and redis.call('HGET', values, key)
      if value then
        table.insert(found, key)
        table.insert(found, value)
        entries, bytes = entries - 1, bytes - #value
        if entries == 0 or bytes <= 0 then return { last, found } end
      end
    end
    return { looks == 0 and last or '', found }`,

  // at most so many
  sweepStore: `
    return sweep(tonumber(ARGV[2]))`,
}

type Answer = number | string | null | [last: string, found: string[]]

/** A script as a command of the client. */
export type ScriptName = keyof typeof SCRIPTS
export type Scripted = Redis & Record<ScriptName, (...args: (string | number)[]) => Promise<Answer>>

export const scripts = Object.fromEntries(
  Object.entries(SCRIPTS).map(([name, lua]) => [name, { lua: PRELUDE + lua, numberOfKeys: 4 }]),
)
