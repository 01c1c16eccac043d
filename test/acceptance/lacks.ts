import { searchCases } from './search.ts'
import { searchQueryCases } from './search-query.ts'

/** What the stand-in for MongoDB does otherwise than MongoDB, by the acceptance cases that ask for it. */
export const STAND_IN_LACKS: Readonly<Record<string, string>> = {
  'hyper-api 1.9 D3, 4.3: list is ascending by the bytes of _id':
    'the stand-in for MongoDB compares strings by UTF-16 units, not by bytes',
  'hyper-api 4.4: $regex, $options and $mod':
    'the stand-in for MongoDB matches regular expressions against numbers and objects too',
  'hyper-api 4.4: dotted paths reach into objects and arrays':
    'the stand-in for MongoDB finds no null member to be without members',
}

const NO_SEARCH = 'no Meilisearch is to be had here, so the search service was not started'

/** What cannot be asked of a sandbox without search: its own cases, and those that go over all services. */
export const LACKS_WITHOUT_SEARCH: Readonly<Record<string, string>> = Object.fromEntries(
  [
    ...[...searchCases, ...searchQueryCases].map(({ name }) => name),
    'design 8.3: /readyz says per service whether it answers',
    'hyper-api 1.3: storage, search and queue carry them on every answer',
    'hyper-api 1.5: storage, search and queue are routed alike',
    'hyper-api 1.5: the literal parts of a path know no case',
    'hyper-api 1.6, 12.2 B14: a scalar body is 400',
    'hyper-api 1.6, 12.2 B14: malformed JSON is 400 on every route that reads a body',
    'hyper-api 1.6: 10 MiB is the limit of every other body, inclusive',
    'hyper-api 1.6: routes of search and queue that read no body ignore any',
    'hyper-api 1.7, corner 45: search and queue answer with weak ETags too',
    'hyper-api 1.8: GET / names the services, in hyper’s order',
    'hyper-api 12.3.3: nesting too deep is 400 on every route that reads a body',
    'hyper-api 6.5, 12.1 B4: the names of databases are names like any other',
  ].map((name) => [name, NO_SEARCH]),
)
