/**
 * What BullMQ has no call for, as Lua that runs on the server. The queues are one hash: by name, each queue's id, its generation and its
 * settings. A generation is a queue of BullMQ's own; a queue that is emptied gets a new one. The old one is paused in the same moment,
 * so that no worker anywhere begins another of its jobs, and noted as doomed: its keys are removed in the background.
 */
import type { Redis } from 'ioredis'

export const NO_QUEUE = -1

/** BullMQ keeps a stream of events that nobody here reads: as short as Redis keeps one. */
const EVENTS_KEPT = 1

const PRELUDE = `
local queues, ids, doomed, news = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local name, prefix = ARGV[1], ARGV[2]
local entry = redis.call('HGET', queues, name)

local function of(generation, key)
  return prefix .. ':' .. generation .. ':' .. key
end

local function begin(id, settings)
  local generation = redis.call('INCR', ids)
  redis.call('HSET', of(generation, 'meta'), 'opts.maxLenEvents', ${EVENTS_KEPT})
  redis.call('HSET', queues, name, (id or generation) .. ' ' .. generation .. ' ' .. settings)
  redis.call('PUBLISH', news, 'queues')
end

local function doom(generation)
  redis.call('HSET', of(generation, 'meta'), 'paused', 1)
  redis.call('SADD', doomed, generation)
  redis.call('PUBLISH', news, 'queues')
end
`

const SCRIPTS = {
  // settings; whether it was made
  createQueue: `
    if entry then return 0 end
    begin(nil, ARGV[3])
    return 1`,

  deleteQueue: `
    if not entry then return ${NO_QUEUE} end
    redis.call('HDEL', queues, name)
    doom(string.match(entry, '^%d+ (%d+)'))
    return 0`,

  // Removing comes first, also where the server has no memory left for anything else.
  emptyQueue: `
    if not entry then return ${NO_QUEUE} end
    local id, generation, settings = string.match(entry, '^(%d+) (%d+) (.*)$')
    redis.call('HDEL', queues, name)
    doom(generation)
    begin(id, settings)
    local count = 0
    for _, list in ipairs({ 'wait', 'active' }) do count = count + redis.call('LLEN', of(generation, list)) end
    for _, set in ipairs({ 'delayed', 'failed' }) do count = count + redis.call('ZCARD', of(generation, set)) end
    return count`,

  // JSON text, error, time
  addFailed: `
    if not entry then return ${NO_QUEUE} end
    local generation = string.match(entry, '^%d+ (%d+)')
    local id = redis.call('INCR', ids)
    redis.call('HSET', of(generation, id), 'name', 'job', 'data', ARGV[3], 'opts', '{}', 'timestamp', ARGV[5],
      'delay', 0, 'priority', 0, 'failedReason', ARGV[4], 'finishedOn', ARGV[5])
    redis.call('ZADD', of(generation, 'failed'), ARGV[5], id)
    return id`,

  // A job was added to a generation (the name) that had ended meanwhile.
  doomAgain: `
    doom(name)
    return 0`,

  // generation, the most bytes, ids: what is known of each, and of those after so many bytes nothing
  readJobs: `
    local jobs, bytes = {}, tonumber(ARGV[4])
    for index = 5, #ARGV do
      local job = redis.call('HMGET', of(ARGV[3], ARGV[index]), 'data', 'timestamp', 'failedReason', 'finishedOn')
      table.insert(jobs, job)
      bytes = bytes - #(job[1] or '')
      if bytes <= 0 then break end
    end
    return jobs`,
}

/** What `readJobs` tells of a job; without data it has gone, without an end it has not failed. */
export type JobFields = [data: string | null, timestamp: string, failedReason: string | null, finishedOn: string | null]

type Answer = number | JobFields[]

export type ScriptName = keyof typeof SCRIPTS
export type Scripted = Redis & Record<ScriptName, (...args: (string | number)[]) => Promise<Answer>>

export const scripts = Object.fromEntries(
  Object.entries(SCRIPTS).map(([name, lua]) => [name, { lua: PRELUDE + lua, numberOfKeys: 4 }]),
)
