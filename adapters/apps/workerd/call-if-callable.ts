/**
 * NANO's `request.url()` on the standard's `request.url` (worker-runtime §12.8): a call without arguments of a member that the
 * standard has as a property becomes one that calls what is callable and reads what is not. Code that works without this keeps
 * its meaning, since only calls that would throw become anything else.
 */
import { type Node, parse } from 'acorn'
import MagicString from 'magic-string'

const MEMBERS = new Set(
  'url method headers status ok statusText href origin protocol host hostname port pathname search hash size type name lastModified signal'.split(
    ' ',
  ),
)

/** Defined by the prelude. */
const HELPER = 'globalThis.__callIfCallable'

/** Quick to say no: most files have nothing of the kind. */
const CANDIDATE = new RegExp(`\\.\\s*(?:${[...MEMBERS].join('|')})\\s*\\(\\s*\\)`)

/** @returns the code with a source map of its own, or as it was where nothing is to be done or it cannot be parsed */
export function callIfCallable(code: string, path: string): string {
  if (!CANDIDATE.test(code)) return code
  let program: Node
  try {
    program = parse(code, { ecmaVersion: 'latest', sourceType: 'module', allowHashBang: true })
  } catch {
    return code // the bundler says what is wrong with it
  }
  const text = new MagicString(code)
  let count = 0
  visit(program, (node) => {
    if (node.type !== 'CallExpression' || node.optional || node.arguments.length > 0) return
    const { callee } = node
    if (callee.type !== 'MemberExpression' || callee.computed || callee.optional || callee.object.type === 'Super')
      return
    if (callee.property.type !== 'Identifier' || !MEMBERS.has(callee.property.name)) return
    text.appendLeft(callee.object.start, `${HELPER}(`)
    text.overwrite(callee.object.end, node.end, `, '${callee.property.name}')`)
    count += 1
  })
  if (count === 0) return code
  const map = text.generateMap({ source: path, includeContent: true, hires: 'boundary' })
  return `${text}\n//# sourceMappingURL=${map.toUrl()}`
}

interface SyntaxNode {
  type: string
  start: number
  end: number
  [member: string]: unknown
}

interface CallNode extends SyntaxNode {
  type: 'CallExpression'
  optional: boolean
  arguments: unknown[]
  callee: SyntaxNode & {
    computed: boolean
    optional: boolean
    object: SyntaxNode
    property: SyntaxNode & { name: string }
  }
}

/** Inner nodes last, so that what surrounds them is written around them. */
function visit(node: Node, see: (node: CallNode) => void): void {
  see(node as unknown as CallNode)
  for (const child of Object.values(node)) {
    if (Array.isArray(child)) for (const one of child) isNode(one) && visit(one, see)
    else if (isNode(child)) visit(child, see)
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as Node).type === 'string'
}
