import { equal, ok, rejects, sleep } from './assert.js'

async function all(stream) {
  const chunks = []
  for await (const chunk of stream) chunks.push(chunk)
  return chunks
}

const of = (...chunks) =>
  new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk)
      controller.close()
    },
  })

export const checks = {
  async 'ReadableStream: start, pull, cancel, error, iteration, locked, from'() {
    equal(await all(of(1, 2)), [1, 2])
    let pulls = 0
    const pulled = new ReadableStream({
      pull(controller) {
        pulls += 1
        if (pulls > 3) controller.close()
        else controller.enqueue(pulls)
      },
    })
    equal(await all(pulled), [1, 2, 3])
    let reason
    const cancelled = new ReadableStream({
      cancel(given) {
        reason = given
      },
    })
    await cancelled.cancel('why')
    equal(reason, 'why')
    const broken = new ReadableStream({ start: (controller) => controller.error(new Error('broken')) })
    await rejects(broken.getReader().read(), /broken/)
    const stream = of(1)
    const reader = stream.getReader()
    equal(stream.locked, true)
    reader.releaseLock()
    equal(stream.locked, false)
    equal(await all(ReadableStream.from(['x', 'y'])), ['x', 'y'])
  },
  async 'WritableStream: order, close, abort, error, desiredSize'() {
    const written = []
    const writer = new WritableStream({
      write: (chunk) => void written.push(chunk),
      close: () => void written.push('closed'),
    }).getWriter()
    await writer.write(1)
    await writer.write(2)
    await writer.close()
    equal(written, [1, 2, 'closed'])
    let aborted
    await new WritableStream({
      abort(reason) {
        aborted = reason
      },
    }).abort('enough')
    equal(aborted, 'enough')
    const failing = new WritableStream({
      write() {
        throw new Error('full')
      },
    }).getWriter()
    failing.closed.catch(() => {})
    await rejects(failing.write(1), /full/)
    const waiting = new WritableStream({ write: () => sleep(1) }, new CountQueuingStrategy({ highWaterMark: 2 }))
    const slow = waiting.getWriter()
    const sizes = [slow.desiredSize]
    for (let count = 0; count < 3; count += 1) {
      slow.write(count)
      sizes.push(slow.desiredSize)
    }
    equal(sizes, [2, 1, 0, -1])
  },
  async 'TransformStream: transform and flush'() {
    const doubling = new TransformStream({
      transform: (chunk, controller) => controller.enqueue(chunk * 2),
      flush: (controller) => controller.enqueue('end'),
    })
    equal(await all(of(1, 2).pipeThrough(doubling)), [2, 4, 'end'])
  },
  async 'TextEncoderStream and TextDecoderStream'() {
    const text = await all(of('é€', '😀').pipeThrough(new TextEncoderStream()).pipeThrough(new TextDecoderStream()))
    equal(text.join(''), 'é€😀')
  },
  async 'Response.body: the same stream, or null'() {
    const stream = of(new Uint8Array([97]))
    const response = new Response(stream)
    ok(response.body === stream)
    equal(await response.text(), 'a')
    equal(new Response(null).body, null)
    ok(new Response('x').body instanceof ReadableStream)
  },
  async 'Response.text/json/arrayBuffer/blob over chunks of text and numbers'() {
    equal(await new Response(of('a', 'é', 'c')).text(), 'aéc')
    equal(await new Response(of(1, 2)).text(), '12')
    equal(await new Response(of('{"a"', ':1}')).json(), { a: 1 })
    equal((await new Response(of('a', new Uint8Array([98]))).arrayBuffer()).byteLength, 2)
    const response = new Response(of('a'), { headers: { 'content-type': 'text/x' } })
    equal((await response.blob()).type, 'text/x')
    equal(response.bodyUsed, true)
    await rejects(response.text(), /TypeError/)
    const { readable, writable } = new TransformStream()
    const writer = writable.getWriter()
    writer.write('through')
    writer.close()
    equal(await new Response(readable).text(), 'through')
  },
  'Response.body: chunks of text reach the client one by one'() {
    let count = 0
    return new Response(
      new ReadableStream({
        async pull(controller) {
          if (count > 0) await sleep(150)
          count += 1
          if (count > 3) controller.close()
          else controller.enqueue(`tick ${count}\n`)
        },
      }),
    )
  },
}
