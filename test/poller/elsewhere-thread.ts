/** The other thread of the kernel's environment: it takes its orders from shared memory. */

import { parentPort, workerData } from 'node:worker_threads';
import { wake } from '#src/poller/wakers.js';
import { nativeSys } from '#src/sys/native.js';
import { Deed, type Elsewhere, WAKER_KINDS, Word } from './elsewhere.ts';

const { words } = workerData as Elsewhere;
const sys = nativeSys();
const byte = new Uint8Array(1);

function word(index: number): number {
  return Atomics.load(words, index);
}

function perform(deed: number): void {
  const fd = word(Word.fd);
  const handle = { kind: WAKER_KINDS[word(Word.wakerKind)] ?? 'pipe', fd };
  if (deed === Deed.write) sys.write(fd, byte, 0, 1);
  if (deed === Deed.interrupt) process.kill(process.pid, 'SIGUSR2');
  if (deed !== Deed.wake && deed !== Deed.wakeInLockstep) return;
  for (let done = 0; done < word(Word.count); done += 1) {
    if (deed === Deed.wakeInLockstep) Atomics.store(words, Word.done, done + 1);
    wake(sys, handle);
    // A late notify may end the next wait.
    while (deed === Deed.wakeInLockstep && word(Word.acknowledged) === done) {
      Atomics.wait(words, Word.acknowledged, done);
    }
  }
}

// Its files are loaded and closed.
parentPort?.postMessage('ready');

for (let turn = 0; ; turn += 1) {
  Atomics.wait(words, Word.turn, turn);
  const deed = word(Word.deed);
  if (deed === Deed.end) break;
  // A pause: nothing ever ends this wait.
  Atomics.wait(words, Word.never, 0, word(Word.delayMs));
  perform(deed);
  Atomics.store(words, Word.finished, turn + 1);
  Atomics.notify(words, Word.finished);
}
