import type { PlantedFile } from './planted-file.ts';

/** The loops of a thread beside Node's: turns, waits, references; their callbacks and their end. */
export const runtime: readonly PlantedFile[] = [
  {
    kind: 'a loop beside that of the runtime',
    path: 'dist/src/loop/runtime/node-runtime.js',
    changes: [
      ['this.#immediate = null; this.#take?.();', 'this.#take?.();'],
      ['this.#immediate.unref();', ''],
      ['this.#held = held; if (held)', 'if (held)'],
      ['this.#beganMs = this.#sys.monotonicMs();', ''],
      ['timeoutMs - (this.#sys.monotonicMs() - this.#beganMs)', 'timeoutMs'],
      ['runNextTicks(); return true;', 'return true;'],
      ['if (this.#immediate !== null) clearImmediate(this.#immediate);', ''],
      ['this.#ports?.in.close(); this.#ports = null;', 'this.#ports?.in.close();'],
    ],
  },
  {
    kind: 'a loop beside that of the runtime',
    path: 'dist/src/loop/runtime/other-runtime.js',
    changes: [
      ['this.#asked = false; this.#rested', 'this.#rested'],
      ['if (held) this.#hold(); return;', 'return;'],
      ['this.#turns < TURNS_MAX && held', 'this.#turns <= TURNS_MAX && held'],
      ['this.#turns = 0; this.#held = held;', 'this.#held = held;'],
      ['loops.waitMsNow() - 1', 'BLIND_REST_MS'],
      ['this.#callback?.ref();', ''],
      ['this.#resting = null; this.#turnOfRuntime();', 'this.#turnOfRuntime();'],
      ['this.#quietTurns = 0; this.#take = null;', 'this.#quietTurns = 0;'],
    ],
  },
  {
    kind: 'a loop beside that of the runtime',
    path: 'dist/src/loop/runtime/thread-driver.js',
    changes: [
      ['if (this.#holds() && !this.#held) this.#hold();', ''],
      ['waitMs = Math.min(waitMs, loop.waitMsNow());', 'waitMs = loop.waitMsNow();'],
      ['try { this.#unwatchAll(); }', 'try { }'],
      ['this.#runtime.rest();', ''],
      ['this.#unwatches.splice(0)', 'this.#unwatches'],
      ['this.#runtimeReady = true;', ''],
      ['if (unwatch === null) this.#wakeable = false; else', 'if (unwatch !== null)'],
      ['if (!this.#loops.includes(waiter)) continue;', ''],
      ['if (runtimeMs === 0 && turned) return;', ''],
      ['|| runtimeMs === 0 || this.#runtimeReady', '|| this.#runtimeReady'],
      ['wanting.find(({ pollFd }) => pollFd < 0) ?? wanting[0]', 'wanting[0]'],
      ['if (!this.#runtime.drain()) return false;', 'this.#runtime.drain();'],
      [
        'loop.pollFd < 0 ? BLIND_WAIT_MS : WAIT_MS_MAX, loop.waitMsNow()',
        'loop.pollFd < 0 ? BLIND_WAIT_MS : WAIT_MS_MAX',
      ],
      ['this.#loops.length > 1 || waiter?.wantsTurns === false', 'this.#loops.length > 1'],
    ],
  },
  {
    kind: 'an error of a callback',
    path: 'dist/src/loop/callbacks.js',
    changes: [
      ['this.#returned(callback());', 'callback();'],
      ['this.#raise(uncaught);', ''],
      ['if (this.#isRunning()) {', 'if (true) {'],
      ['if (raised.length === 1) throw raised[0];', 'throw raised[0];'],
      ['onHandlerError?.bind(errors)', 'onHandlerError'],
    ],
  },
  {
    kind: 'what a thread leaves',
    path: 'dist/src/loop/thread-exit.js',
    changes: [
      ["process.off('exit', endAll); process.on", 'process.on'],
      ['open.delete(loop);', ''],
      ['if (isMainThread) loop.flushAtExit(); else', ''],
      ['unmapUnusedRegions(); unmapBatchCode();', 'unmapBatchCode();'],
    ],
  },
  {
    kind: 'what a thread leaves',
    path: 'dist/src/loop/close-descriptors.js',
    changes: [['sys.shutdown(fd, SHUT_RDWR);', '']],
  },
  {
    kind: 'a descriptor that is checked or in reserve',
    path: 'dist/src/loop/watchable.js',
    changes: [
      ['fd >= backend.fdLimit', 'fd > backend.fdLimit'],
      ['if (epfd < 0) return;', ''],
      ['interest <= Interest.both', 'interest < Interest.both'],
    ],
  },
  {
    kind: 'a descriptor that is checked or in reserve',
    path: 'dist/src/loop/reserve-descriptor.js',
    changes: [
      ['shed < ACCEPTS_PER_TURN', 'shed <= ACCEPTS_PER_TURN'],
      ['this.#sys.close(fd); shed += 1;', 'shed += 1;'],
      ['this.#sys.close(this.#fd); } this.#fd = -1;', 'this.#sys.close(this.#fd); }'],
      ['noteClosing(this.#fd);', ''],
    ],
  },
];
