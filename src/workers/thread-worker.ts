import { parentPort, workerData } from 'node:worker_threads';
import type { ThreadTask } from './messages.ts';
import { beginService, openServiceThread } from './service-thread.ts';

// The beginning of a thread that serves. An error here ends it, and its owner hears of it.

const task = workerData as ThreadTask;
const port = parentPort;
if (port === null) throw new Error('this module is the beginning of a worker thread');
const thread = openServiceThread(task, port);
const { serve } = (await import(task.module)) as { serve?: unknown };
if (typeof serve !== 'function') {
  throw new TypeError(`cannot serve: ${task.module} exports no function named serve`);
}
// It may have been shut down in the meantime.
if (!thread.loop.closed) await beginService(thread, serve as (service: typeof thread) => unknown);
