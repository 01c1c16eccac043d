/** What the host of an app that cannot be loaded answers while it is being developed: the reason, to people or to programs. */
import type { LoadError } from '../../server/ports/apps.ts'

export interface LoadFailure {
  type: string
  text: string
}

/** @param accept the request's header: a browser asks for HTML */
export function loadFailure(app: string, { name, message, location, frame }: LoadError, accept = ''): LoadFailure {
  const title = `The app ${app} cannot be loaded`
  const reason = `${name}: ${message}`
  const place = [location, frame].filter((part) => part !== undefined).join('\n\n')
  if (!accept.includes('text/html')) {
    return { type: 'text/plain; charset=utf-8', text: `${title}: ${reason}\n${place && `\n${place}\n`}` }
  }
  const text = `<!doctype html>
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<title>${escaped(title)}</title>
<style>body{font:16px system-ui;margin:3em auto;max-width:50em;padding:0 1em}pre{overflow:auto}</style>
<h1>${escaped(title)}</h1>
<p>${escaped(reason)}</p>
${place && `<pre>${escaped(place)}</pre>\n`}<p>Save the file, and load this page again.</p>
`
  return { type: 'text/html; charset=utf-8', text }
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}
