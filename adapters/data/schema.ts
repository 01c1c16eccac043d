/** `$jsonSchema`, judged by ajv, with MongoDB's `bsonType`. */
import { Ajv } from 'ajv'
import { HyperError } from '../../server/error.ts'
import { asQueryError, type Predicate } from './predicate.ts'
import { isOfType, type TypeName } from './type-names.ts'

/** @throws QUERY_INVALID */
export function schemaPredicate(schema: Record<string, unknown>): Predicate {
  if ('$async' in schema) throw new HyperError('QUERY_INVALID', '$jsonSchema cannot be asynchronous')
  const ajv = new Ajv({ strict: false, validateFormats: false, logger: false })
  ajv.addKeyword({
    keyword: 'bsonType',
    validate: (types: TypeName | TypeName[], value: unknown) => [types].flat().some((type) => isOfType(value, type)),
  })
  try {
    const validate = ajv.compile(schema)
    return (doc) => validate(doc) === true
  } catch (error) {
    throw asQueryError(error, '$jsonSchema')
  }
}
