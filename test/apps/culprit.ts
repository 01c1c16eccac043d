/** An app that loops for ever or eats memory where it is asked to, and else answers with this text. */
export const culpritSaying = (text: string) => `export default {
  async fetch(request) {
    const { pathname } = new URL(request.url)
    if (pathname === '/loop') for (;;) {}
    if (pathname === '/memory') {
      for (const all = []; ; ) {
        all.push(new Uint8Array(8 * 1024 * 1024).fill(1))
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
    return new Response('${text}')
  },
}
`
