#!/usr/bin/env node
// The bin `hyper-nano`: hyper nano's own command line, on this product.
'use strict'

process.argv.splice(2, 0, '_nano')
require('./launcher.cjs')
