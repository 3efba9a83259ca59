import { parentPort, workerData } from 'node:worker_threads';
import type { ThreadTask } from '../record/thread-messages.ts';
import { LoadThread } from './thread.ts';

// The beginning of a thread of a run.

new LoadThread(workerData as ThreadTask, (message) => parentPort?.postMessage(message)).run();
