// The main module of `repl` and `eval`: sources come in one stream, each as a line of JSON, what they come to goes out in another.
// All belong to one request, as what one of them has opened is no other request's to use.
import './prelude.js'

const INCOMPLETE = /Unexpected end of input|Unterminated template/

export default {
  async fetch(request, env, ctx) {
    const { readable, writable } = new TransformStream()
    ctx.waitUntil(answerAll(request.body, writable.getWriter(), env.evaluator))
    return new Response(readable)
  },
}

async function answerAll(body, writer, evaluator) {
  let rest = ''
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()
    for (const line of lines.filter(Boolean)) await writer.write(bytesOf(await evaluate(JSON.parse(line), evaluator)))
  }
  await writer.close()
}

function bytesOf(value) {
  return new TextEncoder().encode(`${JSON.stringify(value)}\n`)
}

async function evaluate(source, evaluator) {
  try {
    return { value: String(await evaluator.eval(source, 'input')) }
  } catch (error) {
    if (error instanceof SyntaxError && INCOMPLETE.test(error.message)) return { incomplete: true }
    const [, line, column] = /\binput:(\d+):(\d+)/.exec(error?.stack ?? '') ?? []
    return { error: String(error), line: Number(line ?? 0), column: Number(column ?? 0) }
  }
}
