/** How log lines look to a person, on the running sandbox's terminal and in `logs`. */
export const PRETTY = {
  translateTime: 'SYS:HH:MM:ss',
  ignore: 'pid,hostname',
  singleLine: true,
} as const
