import { parentPort, workerData } from 'node:worker_threads';
import { LoadThread } from './load-thread.ts';
import type { ThreadTask } from './thread-messages.ts';

// The beginning of a thread of a run.

new LoadThread(workerData as ThreadTask, (message) => parentPort?.postMessage(message)).run();
