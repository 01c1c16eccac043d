// Asks the gateway in this container whether it is ready. Plain and small, since it is started every few seconds.
'use strict'

const { get } = require('node:http')

const port = process.env.HYPER_SANDBOX_PORT || process.env.PORT || 6363
const request = get({ host: '127.0.0.1', port, path: '/readyz', timeout: 2500 }, ({ statusCode }) => {
  process.exit(statusCode === 200 ? 0 : 1)
})
request.on('timeout', () => process.exit(1))
request.on('error', () => process.exit(1))
