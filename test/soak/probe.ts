// Preloaded into a program by NODE_OPTIONS: at SIGWINCH, which no program under test handles, its
// main thread writes a sample into the directory SOAK_SAMPLES, under its process id. The signal
// ends a blocking call, behind which the blocking server lets Node's loop turn.

import { renameSync, writeFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { sampleHere } from './sample.ts';

const directory = process.env['SOAK_SAMPLES'];
if (isMainThread && directory !== undefined) {
  process.on('SIGWINCH', () => {
    const path = `${directory}/${process.pid}.json`;
    writeFileSync(`${path}.new`, JSON.stringify(sampleHere()));
    renameSync(`${path}.new`, path);
  });
}
