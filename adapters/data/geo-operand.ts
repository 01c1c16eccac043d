/** What `$geoWithin` and `$geoIntersects` compare with (hyper-api §4.4). */
import { HyperError } from '../../server/error.ts'
import { isOnEarth, type Part, type Polygon, type Position, parseGeometry, parsePair } from './geometry.ts'
import { isObject } from './values.ts'

/** Where to look. All but `polygons` and `cap` are on a plane and hold only points. */
export type Region =
  | { kind: 'polygons'; polygons: Polygon[] }
  /** `radius` in radians */
  | { kind: 'cap'; center: Position; radius: number }
  | { kind: 'box'; low: Position; high: Position }
  | { kind: 'flat'; polygon: Polygon }
  | { kind: 'circle'; center: Position; radius: number }

const MAX_VERTICES = 10_000

/** @throws QUERY_INVALID */
export function parseWithin(operand: unknown): Region {
  const [specifier, value] = onlyMember('$geoWithin', operand)
  switch (specifier) {
    case '$geometry': {
      const polygons = geometry('$geoWithin', value)
      if (!polygons.every(isPolygon)) throw misused('$geoWithin', 'takes a $geometry of type Polygon or MultiPolygon')
      return { kind: 'polygons', polygons }
    }
    case '$box': {
      const [a, b] = pairs(specifier, value, 2, 2) as [Position, Position]
      return {
        kind: 'box',
        low: [Math.min(a[0], b[0]), Math.min(a[1], b[1])],
        high: [Math.max(a[0], b[0]), Math.max(a[1], b[1])],
      }
    }
    case '$polygon': {
      const corners = pairs(specifier, value, 3, MAX_VERTICES)
      return { kind: 'flat', polygon: { type: 'Polygon', coordinates: [[...corners, corners[0] as Position]] } }
    }
    case '$center':
      return { kind: 'circle', ...circle(specifier, value) }
    case '$centerSphere': {
      const cap = circle(specifier, value)
      if (!isOnEarth(cap.center)) throw misused('$geoWithin', `takes a $centerSphere around ${RANGE}`)
      return { kind: 'cap', ...cap }
    }
    default:
      throw misused('$geoWithin', 'takes one of $geometry, $box, $polygon, $center and $centerSphere')
  }
}

/** @throws QUERY_INVALID */
export function parseIntersects(operand: unknown): Part[] {
  const [specifier, value] = onlyMember('$geoIntersects', operand)
  if (specifier !== '$geometry') throw misused('$geoIntersects', 'takes a $geometry')
  return geometry('$geoIntersects', value)
}

const RANGE = '[longitude, latitude] within ±180 and ±90 degrees'

function geometry(operator: string, value: unknown): Part[] {
  const parts = parseGeometry(value)
  if (parts === undefined) {
    throw misused(operator, `takes a GeoJSON $geometry: its rings closed, its positions ${RANGE}`)
  }
  const vertices = parts.reduce((sum, { coordinates }) => sum + coordinates.flat(2).length / 2, 0)
  if (vertices > MAX_VERTICES) throw misused(operator, `takes no more than ${MAX_VERTICES} positions`)
  return parts
}

function isPolygon(part: Part): part is Polygon {
  return part.type === 'Polygon'
}

function circle(specifier: string, value: unknown): { center: Position; radius: number } {
  const [at, radius, ...more] = Array.isArray(value) ? value : []
  const center = pair(at)
  if (center === undefined || !Number.isFinite(radius) || radius < 0 || more.length > 0) {
    throw misused('$geoWithin', `takes ${specifier} as [[x, y], radius]`)
  }
  return { center, radius }
}

function pairs(specifier: string, value: unknown, atLeast: number, atMost: number): Position[] {
  const read = Array.isArray(value) ? value.map(pair) : []
  if (read.length < atLeast || read.length > atMost || !read.every((position) => position !== undefined)) {
    const count = atLeast === atMost ? atLeast : `${atLeast} to ${atMost}`
    throw misused('$geoWithin', `takes ${specifier} as an array of ${count} pairs [x, y]`)
  }
  return read
}

/** In an operand nothing may follow x and y. */
function pair(value: unknown): Position | undefined {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 2 ? parsePair(value) : undefined
}

function onlyMember(operator: string, operand: unknown): [specifier: string, value: unknown] {
  const [member, ...more] = isObject(operand) ? Object.entries(operand) : []
  if (member === undefined || more.length > 0) throw misused(operator, 'takes an object with one shape')
  return member
}

function misused(operator: string, rule: string): HyperError {
  return new HyperError('QUERY_INVALID', `${operator} ${rule}`)
}
