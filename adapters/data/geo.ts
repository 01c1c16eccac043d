/**
 * `$geoWithin` and `$geoIntersects`, judged by turf. Turf is planar: its edges are straight in longitude and latitude, where
 * MongoDB's are geodesics, so places near long edges may be judged otherwise, and no shape goes across the 180th meridian
 * or around a pole. Edges belong to their shapes. `$centerSphere` is measured on the sphere, as MongoDB does.
 */
import booleanIntersects from '@turf/boolean-intersects'
import booleanPointInPolygon from '@turf/boolean-point-in-polygon'
import distance from '@turf/distance'
import type { Region } from './geo-operand.ts'
import { isOnEarth, type Part, type Polygon, type Position, parseGeometry, parsePair } from './geometry.ts'
import type { Predicate } from './predicate.ts'

export function withinPredicate(region: Region): Predicate {
  switch (region.kind) {
    case 'polygons':
      return onSphere((parts) => parts.every((part) => region.polygons.some((polygon) => isInside(part, polygon))))
    case 'cap': {
      // Up to a hemisphere, the geodesics between places in a cap stay in it.
      const { center, radius } = region
      const holds = (place: Position) => distance(center, place, { units: 'radians' }) <= radius
      return onSphere((parts) => parts.every((part) => positionsOf(part).every(holds)))
    }
    case 'box': {
      const { low, high } = region
      return onPlane(([x, y]) => low[0] <= x && x <= high[0] && low[1] <= y && y <= high[1])
    }
    case 'flat':
      return onPlane((place) => booleanPointInPolygon(place, region.polygon))
    case 'circle': {
      const { center, radius } = region
      return onPlane(([x, y]) => Math.hypot(x - center[0], y - center[1]) <= radius)
    }
  }
}

export function intersectsPredicate(wanted: readonly Part[]): Predicate {
  return onSphere((parts) => parts.some((part) => wanted.some((other) => booleanIntersects(part, other))))
}

/** Malformed locations never match. */
function onSphere(accepts: (parts: Part[]) => boolean): Predicate {
  return (value) => {
    const parts = parseGeometry(value) ?? parsePlace(value)
    return parts !== undefined && accepts(parts)
  }
}

/** A coordinate pair that can be a place on earth. */
function parsePlace(value: unknown): Part[] | undefined {
  const coordinates = parsePair(value)
  return coordinates && isOnEarth(coordinates) ? [{ type: 'Point', coordinates }] : undefined
}

/** Of GeoJSON only points, as in MongoDB. */
function onPlane(accepts: (place: Position) => boolean): Predicate {
  return (value) => {
    const [part, ...more] = parseGeometry(value) ?? []
    if (part !== undefined) return part.type === 'Point' && more.length === 0 && accepts(part.coordinates)
    const pair = parsePair(value)
    return pair !== undefined && accepts(pair)
  }
}

function isInside(part: Part, polygon: Polygon): boolean {
  const holds = (place: Position) => booleanPointInPolygon(place, polygon)
  if (!positionsOf(part).every(holds)) return false
  if (part.type === 'Point') return true
  const walls = polygon.coordinates.flatMap(edgesOf)
  const paths = part.type === 'LineString' ? [part.coordinates] : part.coordinates
  const leaves = (edge: Edge) => !holds(middleOf(edge)) || walls.some((wall) => cross(edge, wall))
  if (paths.flatMap(edgesOf).some(leaves)) return false
  return part.type !== 'Polygon' || !polygon.coordinates.slice(1).some((hole) => surrounds(part, hole))
}

type Edge = readonly [Position, Position]

function edgesOf(path: readonly Position[]): Edge[] {
  return path.slice(1).map((end, index) => [path[index] as Position, end])
}

function middleOf([[x1, y1], [x2, y2]]: Edge): Position {
  return [(x1 + x2) / 2, (y1 + y2) / 2]
}

/** Each has an end on either side of the other; touching is not crossing. */
function cross([a, b]: Edge, [c, d]: Edge): boolean {
  return side(a, b, c) * side(a, b, d) < 0 && side(c, d, a) * side(c, d, b) < 0
}

function side([x1, y1]: Position, [x2, y2]: Position, [x, y]: Position): number {
  return Math.sign((x2 - x1) * (y - y1) - (y2 - y1) * (x - x1))
}

/** A hole within the part meets none of the part's edges. */
function surrounds(part: Polygon, hole: readonly Position[]): boolean {
  return hole.some((corner) => booleanPointInPolygon(corner, part, { ignoreBoundary: true }))
}

function positionsOf(part: Part): Position[] {
  if (part.type === 'Point') return [part.coordinates]
  return part.type === 'LineString' ? part.coordinates : part.coordinates.flat()
}
