/** MongoDB 7's `$geoWithin` and `$geoIntersects` (hyper-api §4.4) for the data suite. No place is on an edge, where engines differ. */
import type { Document } from '../../server/ports/data.ts'

const square = (from: number, to: number) => [
  [from, from],
  [to, from],
  [to, to],
  [from, to],
  [from, from],
]
const polygon = (...rings: number[][][]) => ({ type: 'Polygon', coordinates: rings })
const point = (...coordinates: number[]) => ({ type: 'Point', coordinates })
const line = (...coordinates: number[][]) => ({ type: 'LineString', coordinates })
const multiPoint = (...coordinates: number[][]) => ({ type: 'MultiPoint', coordinates })
const collection = (...geometries: unknown[]) => ({ type: 'GeometryCollection', geometries })

const DONUT = polygon(square(0, 10), square(4, 6))
const TWO = { type: 'MultiPolygon', coordinates: [[square(0, 3.5)], [square(20, 30)]] }
const CRS = { type: 'name', properties: { name: 'urn:ogc:def:crs:OGC:1.3:CRS84' } }

/** Beside each where it is, seen from `DONUT`. */
export const PLACES: Document[] = [
  { _id: 'a', at: point(1, 1) }, // in
  { _id: 'b', at: point(5, 5.5) }, // in the hole
  { _id: 'c', at: point(25, 25, 300) }, // out
  { _id: 'd', at: [2, 2] }, // in
  { _id: 'e', at: { lng: 2, lat: 8, name: 'hut' } }, // in
  {
    _id: 'f', // one of them in
    at: [
      [50, 50],
      [1, 9],
    ],
  },
  { _id: 'g', at: [point(50, 50), point(9, 1)] }, // one of them in
  { _id: 'h', at: line([1, 2], [9, 2]) }, // in
  { _id: 'i', at: line([1, 5], [9, 5]) }, // both ends in, across the hole
  { _id: 'j', at: polygon(square(1, 3)) }, // in
  { _id: 'k', at: polygon(square(3, 7)) }, // around the hole
  { _id: 'l', at: polygon(square(-5, 15)) }, // around it
  { _id: 'm', at: multiPoint([1, 1], [25, 25]) }, // half in
  { _id: 'n', at: collection(point(1, 1), line([2.5, 1], [3, 1])) }, // in
  { _id: 'o', at: [200, 5] }, // no place on earth, but on a plane
  { _id: 'p', at: point(200, 5) }, // from here on malformed
  { _id: 'q', at: { type: 'Point', coordinates: ['1', '1'] } },
  { _id: 'r', at: polygon(square(1, 3).slice(0, 4)) },
  { _id: 's', at: { type: 'Nope', coordinates: [1, 1] } },
  { _id: 't', at: 'here' },
  { _id: 'u', at: [1] },
  { _id: 'v', at: null },
  { _id: 'w' },
  { _id: 'x', at: point(179.5, 0) }, // by the 180th meridian
  { _id: 'y', stops: [{ at: [1, 1] }, { at: [50, 50] }] },
]

const within = (shape: object) => ({ at: { $geoWithin: shape } })
const intersects = ($geometry: object) => ({ at: { $geoIntersects: { $geometry } } })

export const GEO_MATCHES: Record<string, [selector: Record<string, unknown>, ids: string][]> = {
  '$geoWithin a $geometry': [
    [within({ $geometry: DONUT }), 'a d e f g h j n'],
    [within({ $geometry: polygon(square(0, 10)) }), 'a b d e f g h i j k n'],
    [within({ $geometry: polygon(square(0, 10).reverse()) }), 'a b d e f g h i j k n'],
    [within({ $geometry: { ...polygon(square(0, 10)), crs: CRS } }), 'a b d e f g h i j k n'],
    [within({ $geometry: TWO }), 'a c d j m n'],
    [within({ $geometry: polygon(square(-20, -10)) }), ''],
  ],
  '$geoWithin a shape on a plane finds points only': [
    [
      within({
        $box: [
          [0, 0],
          [10, 10],
        ],
      }),
      'a b d e f g',
    ],
    [
      within({
        $box: [[10, 0], { x: 0, y: 4 }],
      }),
      'a d g',
    ],
    [
      within({
        $box: [
          [190, 0],
          [210, 10],
        ],
      }),
      'o',
    ],
    [
      within({
        $polygon: [
          [0, 0],
          [12, 0],
          [0, 12],
        ],
      }),
      'a b d e f g',
    ],
    [
      within({
        $polygon: [
          [0, 0],
          [7, 0],
          [0, 7],
        ],
      }),
      'a d',
    ],
    [within({ $center: [[0, 0], 3] }), 'a d'],
    [within({ $center: [{ x: 200, y: 0 }, 6] }), 'o'],
  ],
  '$geoWithin a $centerSphere is measured in radians on the sphere': [
    [within({ $centerSphere: [[0, 0], 0.06] }), 'a d n'],
    [within({ $centerSphere: [[0, 0], 0.08] }), 'a d j n'],
    [within({ $centerSphere: [[-179.5, 0], 0.02] }), 'x'],
    [within({ $centerSphere: [[5, 5], 4] }), 'a b c d e f g h i j k l m n x'],
  ],
  '$geoIntersects any $geometry': [
    [intersects(point(1.2, 1.5)), 'j l'],
    [intersects(point(5, 5.5)), 'b k l'],
    [intersects(DONUT), 'a d e f g h i j k l m n'],
    [intersects(line([1.7, -9], [1.7, 9])), 'h i j l'],
    [intersects(multiPoint([2, 2.5], [25, 25])), 'c j l m'],
    [
      intersects({
        type: 'MultiLineString',
        coordinates: [
          [
            [8, 9],
            [8, -9],
          ],
        ],
      }),
      'h i l',
    ],
    [intersects(TWO), 'a c d h j k l m n'],
    [intersects(collection(point(25, 25), polygon(square(4.2, 5.8)))), 'b c i k l m'],
    [intersects(polygon(square(-40, -30))), ''],
  ],
  'geo operators combine with others': [
    [{ at: { $not: { $geoWithin: { $geometry: polygon(square(0, 10)) } }, $exists: true } }, 'c l m o p q r s t u v x'],
    [{ $or: [within({ $center: [[25, 25], 1] }), { _id: 'w' }] }, 'c w'],
    [{ at: { $elemMatch: { $geoWithin: { $geometry: DONUT } } } }, 'f g'],
    [{ 'stops.at': { $geoWithin: { $geometry: DONUT } } }, 'y'],
    [{ stops: { $elemMatch: within({ $center: [[50, 50], 1] }) } }, 'y'],
  ],
}

const many = Array.from({ length: 10_001 }, (_, i) => [i / 1_000, i % 2])

export const BAD_SHAPES: [operator: string, operand: unknown][] = [
  ...[5, null, [], {}, { $nope: [] }, { type: 'Point' }, { $geometry: DONUT, $center: [[0, 0], 1] }].flatMap(
    (operand): [string, unknown][] => [
      ['$geoWithin', operand],
      ['$geoIntersects', operand],
    ],
  ),
  ...[
    ...[5, {}, { type: 'Nope', coordinates: [1, 1] }, { type: 'toString', coordinates: [1, 1] }, { type: 'Polygon' }],
    ...[polygon(), polygon([]), polygon(square(0, 1).slice(0, 4)), polygon([...square(0, 1).slice(0, 2), [0, 0]])],
    ...[polygon(square(0, 181)), polygon(square(-91, 0)), polygon([[0, 0], ...square(0, 1).slice(1, 4), [0]])],
    { ...DONUT, crs: { type: 'name', properties: { name: 'EPSG:3857' } } },
    { ...polygon(square(0, 1)), coordinates: [square(0, 1).map((pair) => pair.map(String))] },
    polygon([...many, [0, 0]]),
  ].flatMap(($geometry): [string, unknown][] => [
    ['$geoWithin', { $geometry }],
    ['$geoIntersects', { $geometry }],
  ]),
  ...[point(1, 1), line([0, 0], [1, 1]), collection(DONUT, point(1, 1))].map(($geometry): [string, unknown] => [
    '$geoWithin',
    { $geometry },
  ]),
  ...[line([0, 0]), line([1, 1], [1, 1]), line(...many), collection(), collection(collection(point(1, 1)))].map(
    ($geometry): [string, unknown] => ['$geoIntersects', { $geometry }],
  ),
  [
    '$geoIntersects',
    {
      $box: [
        [0, 0],
        [1, 1],
      ],
    },
  ],
  ...[
    ...[
      { $box: 1 },
      { $box: [[0, 0]] },
      {
        $box: [
          [0, 0],
          [1, 1],
          [2, 2],
        ],
      },
      {
        $box: [
          [0, 0],
          [1, '1'],
        ],
      },
    ],
    ...[
      {
        $box: [
          [0, 0],
          [1, 1, 1],
        ],
      },
      {
        $polygon: [
          [0, 0],
          [1, 1],
        ],
      },
      { $polygon: many },
      { $polygon: [0, 1, 2] },
    ],
    ...[{ $center: [[0, 0]] }, { $center: [[0, 0], -1] }, { $center: [[0, 0], '1'] }, { $center: [[0], 1] }],
    ...[{ $center: [[0, 0], 1, 1] }, { $centerSphere: [[181, 0], 1] }, { $centerSphere: [[0, 0], null] }],
  ].map((operand): [string, unknown] => ['$geoWithin', operand]),
]
