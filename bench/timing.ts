/** Single requests by the clock, alone and beside others. */
import { Agent, request } from 'node:http'

const PROBES = 2_000
const PROBE_INTERVAL_MS = 2

const agent = new Agent({ keepAlive: true, maxSockets: 64 })

export function endRequests(): void {
  agent.destroy()
}

/** One request's status and time in milliseconds. */
export function timed(
  url: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; ms: number }> {
  return new Promise((resolve, reject) => {
    const began = performance.now()
    const text = body === undefined ? undefined : JSON.stringify(body)
    const headers =
      text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
    const outgoing = request(url + path, { method, agent, headers }, (response) => {
      response.resume()
      response.on('end', () => resolve({ status: response.statusCode ?? 0, ms: performance.now() - began }))
    })
    outgoing.on('error', reject)
    outgoing.end(text)
  })
}

export function percentile(numbers: number[], share: number): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** GETs of a cache key, `k` of the store `bench`, at a steady pace, each sent when it is due whether or not the one before has been answered. */
export async function probe(url: string, during?: Promise<unknown>): Promise<number[]> {
  let over = false
  void during?.finally(() => {
    over = true
  })
  const answers: Promise<{ ms: number }>[] = []
  while (during ? !over : answers.length < PROBES) {
    answers.push(timed(url, 'GET', '/cache/bench/k'))
    await new Promise((resolve) => setTimeout(resolve, PROBE_INTERVAL_MS))
  }
  return (await Promise.all(answers)).map(({ ms }) => ms)
}
