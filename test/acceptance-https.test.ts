/** The acceptance cases again, over HTTPS with a certificate of the user's own authority. */
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { registerCases } from './acceptance/cases.ts'
import { serverOfThisFile } from './server-process.ts'

const { https } = await serverOfThisFile(['--tls'])
setDefaultCACertificates([...getCACertificates(), readFileSync(https.authorityFile, 'utf8')])

registerCases({ test, origin: () => https.url })
