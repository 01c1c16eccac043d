/** How log lines look to a person, on the running sandbox's terminal and in `logs`. */
export const PRETTY = {
  translateTime: 'SYS:HH:MM:ss',
  ignore: 'pid,hostname,method,url,status,ms',
  singleLine: true,
  messageFormat(line: Record<string, unknown>): string {
    const { msg, method, url, status, ms } = line
    if (method === undefined) return url === undefined ? String(msg) : `${msg} on ${url}`
    return status === undefined ? `${msg} (${method} ${url})` : `${method} ${url} ${status} in ${ms} ms`
  },
} as const
