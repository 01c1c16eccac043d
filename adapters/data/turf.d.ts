/** turf 6, the last whose parts are all MIT or ISC, has types that its `exports` hide; these are what we use of it. */
type Place = readonly [number, number]
type Shape = { readonly type: string; readonly coordinates: unknown }

declare module '@turf/boolean-intersects' {
  export default function booleanIntersects(a: Shape, b: Shape): boolean
}

declare module '@turf/boolean-point-in-polygon' {
  /** On the edge is inside, unless boundaries are ignored. */
  export default function booleanPointInPolygon(
    place: Place,
    polygon: Shape,
    options?: { ignoreBoundary: boolean },
  ): boolean
}

declare module '@turf/distance' {
  export default function distance(from: Place, to: Place, options: { units: 'radians' }): number
}
