import type { PlantedFile } from './planted-file.ts';

/** Threads that serve: the acceptor, what is handed over, restarts, stalls, the end. */
export const workers: readonly PlantedFile[] = [
  {
    kind: 'a thread of a service',
    path: 'dist/src/workers/acceptor.js',
    changes: [
      ['this.#exhausted = false; this.hungry();', 'this.#exhausted = false;'],
      ['this.#waiting.push(...fds); this.hungry();', 'this.#waiting.push(...fds);'],
      ['this.#open > 0 || this.#waiting.length > 0', 'this.#open > 0'],
      ['this.#exhausted || this.#next() === null', 'this.#next() === null'],
      ['else taker.hand(fd); this.#update();', 'else taker.hand(fd);'],
    ],
  },
  {
    kind: 'a thread of a service',
    path: 'dist/src/workers/handed-connections.js',
    changes: [
      ['this.#state.take();', ''],
      ['this.#subscriber?.deliverSoon();', ''],
      ['this.#subscriber = null; update(true);', 'update(true);'],
      ['noteClosing(fd);', ''],
      ['this.#paused && !this.#retiring', 'this.#paused'],
      ['if (this.#retiring) this.retire(); else this.deliverSoon();', 'this.deliverSoon();'],
      ['this.#update(false); this.deliverSoon();', 'this.#update(false);'],
    ],
  },
  {
    kind: 'a thread of a service',
    path: 'dist/src/workers/listening-sockets.js',
    changes: [
      ['this.#sockets.length < threads', 'this.#sockets.length <= threads'],
      ['this.#sockets.length = 0;', ''],
      ["this.balance === 'kernel' ? thread : 0", '0'],
    ],
  },
  {
    kind: 'a thread of a service',
    path: 'dist/src/workers/restart-policy.js',
    changes: [
      ['restarts >= this.#limit.max', 'restarts > this.#limit.max'],
      [
        'Math.min(RESTART_PAUSE_MS * 2 ** (restarts - 1), RESTART_PAUSE_MS_MAX)',
        'RESTART_PAUSE_MS * 2 ** (restarts - 1)',
      ],
    ],
  },
  {
    kind: 'a thread of a service',
    path: 'dist/src/workers/service.js',
    changes: [
      [
        'if (this.#handingOver) this.#sockets.letGo(); else this.#sockets.close();',
        'this.#sockets.close();',
      ],
      ['if (this.#handOverEnd !== null) clearTimeout(this.#handOverEnd);', ''],
      ["signal?.removeEventListener('abort', this.#aborted);", ''],
      ['for (const fd of untaken) this.#sys.close(fd);', ''],
      ['if (!isTold) this.#options', 'this.#options'],
      ['Math.min(nowMs - this.#lookedMs, 2 * LOOK_MS)', 'nowMs - this.#lookedMs'],
      ["this.#slots.every(({ phase }) => phase === 'serving')", 'true'],
      ['this.#starting = null;', ''],
    ],
  },
  {
    kind: 'a thread of a service',
    path: 'dist/src/workers/shared-ledger.js',
    changes: [['bit < 32', 'bit < 31']],
  },
  {
    kind: 'a thread of a service',
    path: 'dist/src/workers/shared-state.js',
    changes: [['Atomics.store(this.#words, FULL, 0);', '']],
  },
  {
    kind: 'a thread of a service',
    path: 'dist/src/workers/handed-out.js',
    changes: [
      [
        'this.#count - (this.#state.accepted - this.#state.open)',
        'this.#count - this.#state.accepted',
      ],
      ['this.#taken = 0; this.#count = 0;', 'this.#taken = 0;'],
      ['this.#forgetTaken(); this.#taken = 0;', 'this.#taken = 0;'],
    ],
  },
  {
    kind: 'a thread of a service',
    path: 'dist/src/workers/thread-slot.js',
    changes: [
      ['this.#reason = null; this.#error = null;', 'this.#reason = null;'],
      ["this.#reason ??= 'shutdown';", "this.#reason = 'shutdown';"],
      ['this.#acceptedBefore += this.state.accepted;', ''],
      ['this.#beats = beats; this.#beatMs = 0;', 'this.#beats = beats;'],
      ['stallMs !== null && this.#beatMs >= stallMs', 'this.#beatMs >= stallMs'],
    ],
  },
  {
    kind: 'a thread of a service',
    path: 'dist/src/workers/service-thread.js',
    changes: [
      ['this.#handedOver && connections === 0', 'connections === 0'],
      [
        'await listener.handOver(); this.#handedOver = true;',
        'this.#handedOver = true; await listener.handOver();',
      ],
      ['if (this.#over) return; this.#over = true;', 'this.#over = true;'],
      ['this.#port.unref();', ''],
      ['to >= 0 && to < this.threads', 'to >= 0 && to <= this.threads'],
    ],
  },
];
