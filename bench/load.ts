/** Loads servers with a scenario's requests and says what came of it. */
import autocannon from 'autocannon'
import { cpuMicroseconds, type Server } from './processes.ts'
import type { Scenario } from './scenarios.ts'

export const CONNECTIONS = 20

export interface Load {
  requestsPerSecond: number
  cpuMicroseconds: number | undefined
  failed: number
}

let unique = 0

/** Puts a number never used before in each place of a text that asks for one. */
export function withUnique(text: string): string {
  return text.replace('#', () => String(unique++))
}

export async function load(server: Server, scenario: Scenario, durationSeconds: number): Promise<Load> {
  const bodies = scenario.bodies ?? []
  let turn = 0
  const before = cpuMicroseconds(server.pid)
  const result = await autocannon({
    url: server.url,
    connections: CONNECTIONS,
    duration: durationSeconds,
    requests: [
      {
        method: scenario.method,
        path: scenario.path,
        ...(bodies.length === 0 ? {} : { headers: { 'content-type': 'application/json' } }),
        setupRequest: (request) => {
          if (bodies.length > 0) request.body = withUnique(bodies[turn++ % bodies.length] ?? '')
          request.path = withUnique(scenario.path)
          return request
        },
      },
    ],
  })
  const after = cpuMicroseconds(server.pid)
  return {
    requestsPerSecond: result.requests.average,
    cpuMicroseconds:
      before === undefined || after === undefined ? undefined : (after - before) / Math.max(1, result.requests.total),
    failed: result.non2xx + result.errors,
  }
}

export interface Spread {
  median: number
  min: number
  max: number
}

export function median(numbers: number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

export function spread(numbers: number[]): Spread {
  return { median: median(numbers), min: Math.min(...numbers), max: Math.max(...numbers) }
}

export function row(cells: (string | number)[]): string {
  return cells.map((cell, index) => (index === 0 ? String(cell).padEnd(17) : String(cell).padStart(13))).join('')
}

export function show({ median: middle, min, max }: Spread, digits: number): string {
  return `${middle.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`
}

export const print = (line: string) => process.stdout.write(`${line}\n`)
