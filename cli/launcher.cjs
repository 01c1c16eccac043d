#!/usr/bin/env node
// The bin. Plain old JavaScript, so that the Node it must refuse can still read it.
'use strict'

var found = process.versions.node.split('.').map(Number)
if (found[0] < 22 || (found[0] === 22 && found[1] < 18)) {
  console.error(
    'hyper-sandbox needs Node 22.18 or newer; this is ' +
      process.version +
      '. Install one from https://nodejs.org, then try again.',
  )
  process.exit(1)
}

// Node 22 announces node:sqlite as experimental on every start; nothing a user could do about it.
var emitWarning = process.emitWarning
process.emitWarning = function (warning) {
  // biome-ignore lint/complexity/noArguments: plain old JavaScript on purpose
  if (!/SQLite is an experimental feature/.test(String(warning))) return emitWarning.apply(process, arguments)
}

// A clone runs its sources, whatever was built there; a published package has none.
var sources = require('node:path').join(__dirname, 'main.ts')

// A background process starts here too: npm may have called us by a link, hyper-nano by its own name.
process.argv[1] = __filename

void import(require('node:fs').existsSync(sources) ? './main.ts' : '../dist/cli/main.js')
