/** Loads a server with the plainest request: by wrk where it is installed, which takes least from what it measures. */
import { execFile, execFileSync } from 'node:child_process'
import { Agent, request } from 'node:http'
import { promisify } from 'node:util'
import autocannon from 'autocannon'

export const CONNECTIONS = 32
export const hasWrk = (() => {
  try {
    execFileSync('sh', ['-c', 'command -v wrk'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()

export interface Answers {
  requestsPerSecond: number
  failed: number
}

export async function asFastAsItCan(url: string, host: string, seconds: number): Promise<Answers> {
  if (!hasWrk) {
    const load = { url, duration: seconds, connections: CONNECTIONS, headers: { host } }
    const { requests, non2xx, errors } = await autocannon(load)
    return { requestsPerSecond: requests.average, failed: non2xx + errors }
  }
  const args = ['-t1', `-c${CONNECTIONS}`, `-d${seconds}`, '-H', `Host: ${host}`, `${url}/`]
  const { stdout } = await promisify(execFile)('wrk', args)
  const errors = /Socket errors: connect (\d+), read (\d+), write (\d+)/.exec(stdout)?.slice(1) ?? []
  const others = /Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? 0
  return {
    requestsPerSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
    failed: errors.reduce((sum, count) => sum + Number(count), Number(others)),
  }
}

const agent = new Agent({ keepAlive: true })

/** Requests sent when they are due, whether or not those before have been answered. @returns how long each took, in milliseconds */
export async function atRate(url: string, host: string, seconds: number, perSecond: number): Promise<number[]> {
  const answers: Promise<number>[] = []
  const began = performance.now()
  while (answers.length < seconds * perSecond) {
    const due = Math.floor(((performance.now() - began) / 1_000) * perSecond)
    while (answers.length <= due) answers.push(answered(url, host))
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  return await Promise.all(answers)
}

function answered(url: string, host: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const began = performance.now()
  const outgoing = request(url, { agent, headers: { host } }, (response) => {
    response.resume().once('end', () => {
      if (response.statusCode === 200) resolve(performance.now() - began)
      else reject(new Error(`${host} answered ${response.statusCode}`))
    })
  })
  outgoing.once('error', reject).end()
  return promise
}
