// `env.hyper` and `env.APPS.<name>`: services by path alone, and what the hyper services ask for to let a caller in.

const LIFETIME_S = 600
const RENEWED_S = 60

/** A path alone is one of that service, whatever its host is called. */
export function byPath(service, host) {
  return {
    fetch(target, init) {
      const isPath = typeof target === 'string' && target.startsWith('/')
      return service.fetch(isPath ? `http://${host}${target}` : target, init)
    },
  }
}

/** @returns what makes the same of the hyper services; callers that bring no credentials have those of the connection string */
export function credentialsOf(connection = 'http://hyper') {
  const { hostname, username, password } = new URL(connection)
  if (username === '') return (service) => byPath(service, hostname)
  const [key, secret] = [username, password].map(decodeURIComponent)
  return (service) => ({
    async fetch(target, init) {
      const isPath = typeof target === 'string' && target.startsWith('/')
      const request = new Request(isPath ? `http://${hostname}${target}` : target, init)
      if (!request.headers.has('authorization')) {
        request.headers.set('authorization', `Bearer ${await token(key, secret)}`)
      }
      return service.fetch(request)
    },
  })
}

let current = { text: '', expires: 0 }

/** As hyper-connect makes them. */
async function token(subject, secret) {
  const now = Math.floor(Date.now() / 1000)
  if (current.expires - RENEWED_S < now) {
    const expires = now + LIFETIME_S
    const content = `${encoded({ alg: 'HS256' })}.${encoded({ sub: subject, exp: expires })}`
    const algorithm = { name: 'HMAC', hash: 'SHA-256' }
    const key = await crypto.subtle.importKey('raw', bytesOf(secret), algorithm, false, ['sign'])
    const signature = new Uint8Array(await crypto.subtle.sign('HMAC', key, bytesOf(content)))
    current = { text: `${content}.${base64url(signature)}`, expires }
  }
  return current.text
}

function encoded(value) {
  return base64url(bytesOf(JSON.stringify(value)))
}

function bytesOf(text) {
  return new TextEncoder().encode(text)
}

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}
