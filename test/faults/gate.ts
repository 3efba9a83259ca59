// Imported ahead of a program (`node --import`): holds its thread in front of the first call of the
// method of Sys that SOCKLOOP_FAULTS_GATE names, until strace is attached. What the thread calls
// next is then the program's own, and none of what Node does while it starts.

import { readlinkSync, readSync, writeSync } from 'node:fs';
import { nativeSys } from '#src/sys/native.js';

/** The descriptor on which the runner is told of the thread, and lets it go on. */
const RUNNER_FD = 3;

const name = process.env['SOCKLOOP_FAULTS_GATE'] ?? '';
const sys: object = nativeSys();

function hold(): void {
  Reflect.deleteProperty(sys, name);
  const [tid = ''] = readlinkSync('/proc/thread-self').split('/').slice(-1);
  writeSync(RUNNER_FD, `${tid}\n`);
  readSync(RUNNER_FD, new Uint8Array(1));
}

/** Whether it is read and not called. To read it would be to open what it tells of. */
function isGetter(): boolean {
  const own = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(sys), name);
  return own?.get !== undefined;
}

if (name !== '') {
  Object.defineProperty(sys, name, {
    configurable: true,
    get() {
      if (isGetter()) {
        hold();
        return Reflect.get(sys, name);
      }
      return (...values: unknown[]) => {
        hold();
        return Reflect.apply(Reflect.get(sys, name), sys, values);
      };
    },
  });
}
