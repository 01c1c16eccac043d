/** GeoJSON and legacy coordinate pairs, read into simple parts that are plain data. */
import { isObject } from './values.ts'

/** Longitude and latitude in degrees, or x and y; what follows, as an altitude, is left out. */
export type Position = [number, number]

/** What every geometry is made of. Of a polygon's rings the first is its edge, the others are holes. */
export type Part = { type: 'Point'; coordinates: Position } | { type: 'LineString'; coordinates: Position[] } | Polygon

export interface Polygon {
  type: 'Polygon'
  coordinates: Position[][]
}

type Reader<T> = (value: unknown) => T | undefined

const READERS: Record<string, Reader<Part[]>> = {
  Point: one(point),
  LineString: one(line),
  Polygon: one(polygon),
  MultiPoint: listOf(point),
  MultiLineString: listOf(line),
  MultiPolygon: listOf(polygon),
}

/** Both names of the only reference system that GeoJSON has kept. */
const CRS = new Set<unknown>(['urn:ogc:def:crs:OGC:1.3:CRS84', 'EPSG:4326'])

/** Undefined for what is no valid GeoJSON geometry. Whether rings cross themselves is not looked at. */
export function parseGeometry(value: unknown): Part[] | undefined {
  if (!isObject(value) || typeof value.type !== 'string' || !isKnown(value.crs)) return undefined
  if (value.type === 'GeometryCollection') {
    return listOf((member) => (isCollection(member) ? undefined : parseGeometry(member)))(value.geometries)?.flat()
  }
  return Object.hasOwn(READERS, value.type) ? READERS[value.type]?.(value.coordinates) : undefined
}

function isKnown(crs: unknown): boolean {
  return crs === undefined || (isObject(crs) && isObject(crs.properties) && CRS.has(crs.properties.name))
}

function isCollection(value: unknown): boolean {
  return isObject(value) && value.type === 'GeometryCollection'
}

/** `[x, y]`, or an object whose first two members are x and y, whatever their names. */
export function parsePair(value: unknown): Position | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const [x, y] = Array.isArray(value) ? value : Object.values(value)
  return Number.isFinite(x) && Number.isFinite(y) ? [x, y] : undefined
}

export function isOnEarth([longitude, latitude]: Position): boolean {
  return Math.abs(longitude) <= 180 && Math.abs(latitude) <= 90
}

export function isSame(a: Position | undefined, b: Position | undefined): boolean {
  return a?.[0] === b?.[0] && a?.[1] === b?.[1]
}

function position(value: unknown): Position | undefined {
  const read = Array.isArray(value) ? parsePair(value) : undefined
  return read !== undefined && isOnEarth(read) ? read : undefined
}

function point(value: unknown): Part | undefined {
  const coordinates = position(value)
  return coordinates && { type: 'Point', coordinates }
}

function line(value: unknown): Part | undefined {
  const coordinates = listOf(position)(value)
  return coordinates?.some((at) => !isSame(at, coordinates[0])) ? { type: 'LineString', coordinates } : undefined
}

function polygon(value: unknown): Part | undefined {
  const coordinates = listOf(ring)(value)
  return coordinates && { type: 'Polygon', coordinates }
}

/** Closed, around at least three places. */
function ring(value: unknown): Position[] | undefined {
  const positions = listOf(position)(value)
  if (positions === undefined || !isSame(positions[0], positions.at(-1))) return undefined
  return new Set(positions.map(String)).size >= 3 ? positions : undefined
}

function one<T>(read: Reader<T>): Reader<T[]> {
  return (value) => {
    const part = read(value)
    return part === undefined ? undefined : [part]
  }
}

/** Not empty, and nothing in it unreadable. */
function listOf<T>(read: Reader<T>): Reader<T[]> {
  return (value) => {
    if (!Array.isArray(value) || value.length === 0) return undefined
    const parts: T[] = []
    for (const element of value) {
      const part = read(element)
      if (part === undefined) return undefined
      parts.push(part)
    }
    return parts
  }
}
