import type { FastifyInstance } from 'fastify'
export function registerDocsRoutes(_app: FastifyInstance, _version: string): void {}
