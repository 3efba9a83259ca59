import { parentPort, workerData } from 'node:worker_threads';
import type { CompareCommand, CompareTask } from './messages.ts';
import { CompareThread } from './thread.ts';

// The beginning of the thread that sends the messages of a comparison.

const thread = new CompareThread(workerData as CompareTask);

parentPort?.on('message', (command: CompareCommand) => {
  if (command.kind === 'end') {
    thread.close();
    parentPort?.close();
  } else parentPort?.postMessage(thread.execute(command));
});
