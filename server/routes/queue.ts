/** The queue service over HTTP (hyper-api §1.13). A name is lowercased when its queue is made, nowhere else (§2.4). */
import { queuePort } from '../ports/queue.ts'
import { OK } from '../response.ts'
import { listAnswer, MIB, type ServiceRoutes } from './operation.ts'

export const queueRoutes: ServiceRoutes<'queue'> = {
  service: 'queue',
  banner: async (queue) => ({ name: 'queue', version: '0.0.4', queues: (await queue.list({})).names }),
  operations: [
    {
      name: 'queue.create',
      method: 'PUT',
      path: '',
      summary: 'Create a queue that sends its jobs to a target URL',
      bodyLimit: 10 * MIB,
      args: queuePort.create.args,
      success: 201,
      example: { ok: true },
      run: async (queue, { domain, body }) => {
        const { target, secret } = body as Record<string, unknown>
        await queue.create({ name: domain.toLowerCase(), target, secret })
        return OK
      },
    },
    {
      name: 'queue.destroy',
      method: 'DELETE',
      path: '',
      summary: 'Remove a queue with all its jobs',
      args: queuePort.delete.args,
      success: 201,
      example: { ok: true },
      run: async (queue, { domain }) => {
        await queue.delete({ name: domain })
        return OK
      },
    },
    {
      name: 'queue.enqueue',
      method: 'POST',
      path: '',
      summary: 'Add a job, which is sent to the target until that answers 2xx',
      bodyLimit: 10 * MIB,
      args: queuePort.post.args,
      bodyMember: 'job',
      success: 201,
      example: { ok: true, id: 2 },
      run: async (queue, { domain, body }) => {
        const { id } = await queue.post({ name: domain, job: body })
        return `{"ok":true,"id":${id}}`
      },
    },
    {
      name: 'queue.jobs',
      method: 'GET',
      path: '',
      summary: 'Jobs that wait or are being sent (READY), or that failed (ERROR)',
      args: queuePort.get.args,
      queryMembers: ['status'],
      success: 200,
      example: {
        ok: true,
        jobs: [{ id: 2, job: { type: 'mail' }, status: 'READY', queue: 'test', timestmp: '2026-01-01T00:00:00.000Z' }],
      },
      run: async (queue, { domain, query: { status } }) =>
        listAnswer('jobs', await queue.get({ name: domain, status })),
    },
    {
      name: 'queue.cancel',
      method: 'POST',
      path: '/:id/_cancel',
      summary: 'Remove a job; if it is being sent, the request is cut off',
      args: queuePort.cancel.args,
      success: 201,
      example: { ok: true },
      run: async (queue, { domain, id }) => {
        await queue.cancel({ name: domain, id })
        return OK
      },
    },
    {
      name: 'queue.retry',
      method: 'POST',
      path: '/:id/_retry',
      summary: 'Send a failed job again, with all its attempts',
      args: queuePort.retry.args,
      success: 201,
      example: { ok: true },
      run: async (queue, { domain, id }) => {
        await queue.retry({ name: domain, id })
        return OK
      },
    },
  ],
}
