/**
 * `$jsonSchema`: draft 4 as MongoDB knows it, with `bsonType` and without `integer`, references, formats and what else it does not
 * take; judged by ajv, which reads a later draft.
 */
import { Ajv } from 'ajv'
import { HyperError } from '../../server/error.ts'
import { asQueryError, type Predicate } from './predicate.ts'
import { isOfType, type TypeName, typeNamed } from './type-names.ts'
import { isObject } from './values.ts'

type Schema = Record<string, unknown>

const PLAIN = new Set([
  ...['title', 'description', 'enum', 'type', 'bsonType', 'required', 'pattern', 'uniqueItems', 'multipleOf'],
  ...['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'minLength', 'maxLength', 'minItems', 'maxItems'],
  ...['minProperties', 'maxProperties'],
])
/** Their value is a schema, or a list of schemas, or neither. */
const WITH_SCHEMAS = new Set(['not', 'items', 'additionalItems', 'additionalProperties', 'allOf', 'anyOf', 'oneOf'])
/** Their value names schemas. */
const WITH_NAMED_SCHEMAS = new Set(['properties', 'patternProperties', 'dependencies'])

/** @throws QUERY_INVALID */
export function schemaPredicate(schema: Schema): Predicate {
  const current = inCurrentDraft(schema)
  const ajv = new Ajv({ strict: false, validateFormats: false, logger: false })
  ajv.addKeyword({
    keyword: 'bsonType',
    validate: (types: TypeName | TypeName[], value: unknown) => [types].flat().some((type) => isOfType(value, type)),
  })
  try {
    const validate = ajv.compile(current)
    return (doc) => validate(doc) === true
  } catch (error) {
    throw asQueryError(error, '$jsonSchema')
  }
}

function inCurrentDraft(schema: Schema): Schema {
  const entries = Object.entries(schema).map(([keyword, value]): [string, unknown] => {
    if (WITH_SCHEMAS.has(keyword)) return [keyword, Array.isArray(value) ? value.map(inner) : inner(value)]
    if (WITH_NAMED_SCHEMAS.has(keyword)) return [keyword, isObject(value) ? named(value) : value]
    if (!PLAIN.has(keyword)) throw invalid(`does not know the keyword ${keyword}`)
    if ((keyword === 'enum' || keyword === 'required') && Array.isArray(value) && value.length === 0) {
      throw invalid(`takes no empty ${keyword}`)
    }
    if (keyword === 'type' && [value].flat().includes('integer')) throw invalid('does not know the type integer')
    if (keyword === 'bsonType') checkTypes(value)
    return [keyword, value]
  })
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, ...rest } = Object.fromEntries(entries)
  return {
    ...rest,
    ...bound('inimum', minimum, exclusiveMinimum),
    ...bound('aximum', maximum, exclusiveMaximum),
  }
}

/** In draft 4 the other keyword says whether a bound itself is outside; later it is a bound of its own. */
function bound(name: 'inimum' | 'aximum', limit: unknown, isExclusive: unknown): Schema {
  if (isExclusive !== undefined && (typeof isExclusive !== 'boolean' || limit === undefined)) {
    throw invalid(`takes exclusiveM${name} as a boolean beside m${name}`)
  }
  return limit === undefined ? {} : { [isExclusive ? `exclusiveM${name}` : `m${name}`]: limit }
}

function inner(value: unknown): unknown {
  return isObject(value) ? inCurrentDraft(value) : value
}

function named(schemas: Schema): Schema {
  return Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, inner(schema)]))
}

function checkTypes(types: unknown): void {
  for (const type of [types].flat()) {
    if (typeNamed(type) === undefined) throw invalid(`does not know the type ${JSON.stringify(type)}`)
  }
}

function invalid(reason: string): HyperError {
  return new HyperError('QUERY_INVALID', `$jsonSchema ${reason}`)
}
