import type { Command, Context } from '../command.ts'

export const serve: Command = {
  name: 'serve',
  summary: 'serve Workers-style apps alone, as NANO does',
  about:
    "Serves Workers-style apps, each on its own host, without hyper's services: NANO's serve, with its config.json, admin API, " +
    'metrics and logs. With neither --app nor --config, config.json of this directory is used. SIGTERM and Ctrl-C let open ' +
    'requests finish; SIGHUP reads the configuration again. NANO_PORT and NANO_LOG_FORMAT (json, text, apache) are honoured.',
  args: '[app]',
  flags: [
    { name: 'port', short: 'p', value: '<port>', about: 'TCP port; 0 takes a free one (default: 3000)' },
    { name: 'app', short: 'a', value: '<path>', about: 'one app: its directory, or its entry file' },
    { name: 'config', short: 'c', value: '<file>', about: 'several apps: a config.json' },
    { name: 'host', value: '<host>', about: 'address to listen on (default: 127.0.0.1)' },
    { name: 'watch', about: 'reload apps when their files are saved' },
  ],
  examples: [
    ['serve --port 3000 --app ./my-app', 'One app, whatever the host.'],
    ['serve --config config.json', 'Several apps by their hosts.'],
  ],
  async run(context: Context) {
    const { runServe } = await import('../serve/run-serve.ts')
    return await runServe(context)
  },
}
