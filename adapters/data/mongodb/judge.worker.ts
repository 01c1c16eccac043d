/** The thread that decides about documents in JavaScript. */
import { matcher } from '../match.ts'
import { serveTasks } from '../task-thread.ts'
import type { JudgeTask } from './judge.ts'

serveTasks<JudgeTask, boolean[]>(
  async ({ condition, texts }) => {
    const accepts = await matcher(condition)
    return texts.map((text) => accepts(JSON.parse(text)))
  },
  () => [],
)
