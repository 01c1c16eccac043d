/** Decides about documents that come from the server; on another thread, as a pattern or an expression may never end. */
import type { Condition } from '../condition.ts'
import { entryBeside, TaskThread } from '../task-thread.ts'

export interface JudgeTask {
  condition: Condition
  /** Documents in JSON. */
  texts: string[]
}

/** Which of the documents meet the condition. @throws QUERY_INVALID, QUERY_TIMEOUT, CLOSED */
export type Judge = (condition: Condition, texts: string[], deadline: number) => Promise<boolean[]>

export function createJudge(): { judge: Judge; close(): Promise<void> } {
  const thread = new TaskThread<JudgeTask, boolean[]>(entryBeside(import.meta.url, 'judge.worker'))
  return {
    judge: (condition, texts, deadline) => thread.run({ condition, texts }, deadline),
    close: () => thread.close(),
  }
}
