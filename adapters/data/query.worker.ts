/** The thread that runs what would hold up the main one: long scans, conditions decided in JavaScript, index builds. */
import { workerData } from 'node:worker_threads'
import { asStoreError, connect } from '../shared/sqlite.ts'
import { createIndex } from './catalogue.ts'
import { execute, executeInJs } from './execute.ts'
import { addFunctions } from './functions.ts'
import { matcher } from './match.ts'
import { isSqlOnly } from './plan.ts'
import type { Answer, Task, WorkerSettings } from './query-worker.ts'
import { Statements } from './statements.ts'
import { serveTasks } from './task-thread.ts'

const { path } = workerData as WorkerSettings
let reader: Statements | undefined

serveTasks<Task, Answer>(
  (task) =>
    run(task).catch((error: unknown) => {
      throw asStoreError(error)
    }),
  (answer) => (answer.kind === 'found' ? [answer.found.rest.buffer as ArrayBuffer] : []),
)

async function run(task: Task): Promise<Answer> {
  if (task.kind === 'index') {
    build(task)
    return { kind: 'done' }
  }
  const accepts = task.plan.condition === undefined ? () => true : await matcher(task.plan.condition)
  reader ??= openReader()
  reader.db.exec('BEGIN')
  try {
    const [row] = reader.get('SELECT shape_version FROM databases WHERE number = ?').all(task.plan.database)
    if (row === undefined) return { kind: 'gone' }
    if ((row[0] as number) > task.plan.shapeVersion) return { kind: 'stale' }
    return {
      kind: 'found',
      found: isSqlOnly(task.plan) ? execute(reader, task.plan) : executeInJs(reader, task.plan, accepts),
    }
  } finally {
    reader.db.exec('ROLLBACK')
  }
}

function openReader(): Statements {
  const db = connect(path, { readOnly: true })
  addFunctions(db)
  return new Statements(db)
}

function build({ database, request }: Extract<Task, { kind: 'index' }>): void {
  const writer = connect(path)
  try {
    writer.exec('BEGIN IMMEDIATE')
    createIndex(writer, database, request)
    writer.exec('COMMIT')
    // Here, so that the main thread does not have to move the whole index at its next write.
    writer.exec('PRAGMA wal_checkpoint(PASSIVE)')
  } finally {
    writer.close()
  }
}
