import type { PlantedFile } from './planted-file.ts';

const kind = 'a thread of a service';

/** Threads that serve: the acceptor, what is handed over, restarts, stalls, the end. */
export const workers: readonly PlantedFile[] = [
  {
    kind,
    path: 'dist/src/workers/acceptor.js',
    changes: [
      ['this.#exhausted = false; this.hungry();', 'this.#exhausted = false;'],
      ['this.#endIfRetired(); this.#update();', 'this.#update();'],
      ['this.#waiting.push(...fds); this.hungry();', 'this.#waiting.push(...fds);'],
      ['for (const fd of this.#waiting) sys.close(fd);', ''],
      ['this.#open > 0 || this.#waiting.length > 0', 'this.#open > 0'],
      ['this.#open -= 1; this.#endIfRetired();', 'this.#open -= 1;'],
      ['this.#exhausted || this.#next() === null', 'this.#next() === null'],
      ['taker.isHungry && (best', '(best'],
      ['else taker.hand(fd); this.#update();', 'else taker.hand(fd);'],
      ['this.#retired = null; retired?.();', 'retired?.();'],
    ],
  },
  {
    kind,
    path: 'dist/src/workers/handed-connections.js',
    changes: [
      ['this.#state.take();', ''],
      ['noteOpened(fd);', ''],
      ['this.#subscriber?.deliverSoon();', ''],
      ['if (!full) this.#hungry();', ''],
      ['this.#subscriber = null; update(true);', 'update(true);'],
      ['update(true); this.close(loop.sys);', 'update(true);'],
      ['noteClosing(fd);', ''],
      ['this.#waiting.clear();', ''],
      ['this.#paused && !this.#retiring', 'this.#paused'],
      ['accepts < ACCEPTS_PER_TURN', 'accepts <= ACCEPTS_PER_TURN'],
      ['if (this.#retiring) this.retire(); else this.deliverSoon();', 'this.deliverSoon();'],
      ['this.close(); this.#sink.closed();', 'this.#sink.closed();'],
      ['this.#update(false); this.deliverSoon();', 'this.#update(false);'],
    ],
  },
  {
    kind,
    path: 'dist/src/workers/listening-sockets.js',
    changes: [
      ['this.close(); throw error;', 'throw error;'],
      ['this.#sockets.length < threads', 'this.#sockets.length <= threads'],
      ['for (const socket of this.#sockets) socket.setBlocking(false);', ''],
      ['this.#sockets.length = 0;', ''],
      ['alike && addresses.length === threads', 'alike'],
      ["this.balance === 'kernel' ? thread : 0", '0'],
    ],
  },
  {
    kind,
    path: 'dist/src/workers/restart-policy.js',
    changes: [
      ['nowMs - atMs < this.#limit.withinMs', 'nowMs - atMs <= this.#limit.withinMs'],
      ['restarts >= this.#limit.max', 'restarts > this.#limit.max'],
      ['2 ** (restarts - 1)', '2 ** restarts'],
      [
        'Math.min(RESTART_PAUSE_MS * 2 ** (restarts - 1), RESTART_PAUSE_MS_MAX)',
        'RESTART_PAUSE_MS * 2 ** (restarts - 1)',
      ],
    ],
  },
  {
    kind,
    path: 'dist/src/workers/service.js',
    changes: [
      ['this.#cancelRestarts(); this.#acceptor?.close();', 'this.#acceptor?.close();'],
      [
        'if (this.#handingOver) this.#sockets.letGo(); else this.#sockets.close();',
        'this.#sockets.close();',
      ],
      ['this.#handingOver = true; this.#cancelRestarts();', 'this.#handingOver = true;'],
      ['if (this.#handOverEnd !== null) clearTimeout(this.#handOverEnd);', ''],
      ['clearInterval(this.#look);', ''],
      ["signal?.removeEventListener('abort', this.#aborted);", ''],
      ['this.#reset += end.counts.reset;', 'this.#reset += end.counts.ended;'],
      ['for (const fd of untaken) this.#sys.close(fd);', ''],
      ['this.#acceptor?.handBack(untaken);', ''],
      ['if (!isTold) this.#options', 'this.#options'],
      [
        "to === 'others' ? slot.index !== from : slot.index === to",
        "to === 'others' || slot.index === to",
      ],
      ['Math.min(nowMs - this.#lookedMs, 2 * LOOK_MS)', 'nowMs - this.#lookedMs'],
      ['this.#lookedMs = nowMs;', ''],
      ["this.#slots.every(({ phase }) => phase === 'serving')", 'true'],
      ['await this.shutdown({ deadlineMs: 0 }).catch(() => undefined); throw', 'throw'],
      ['this.#starting = null;', ''],
    ],
  },
  {
    kind,
    path: 'dist/src/workers/shared-ledger.js',
    changes: [
      ['if (place !== null) this.#mappings[place] = 0;', ''],
      ['bit < 32', 'bit < 31'],
    ],
  },
  {
    kind,
    path: 'dist/src/workers/shared-state.js',
    changes: [
      ['Atomics.store(this.#words, TAKEN, 0);', ''],
      ['Atomics.store(this.#words, FULL, 0);', ''],
      ['this.publish(0, 0);', ''],
    ],
  },
  {
    kind,
    path: 'dist/src/workers/thread-slot.js',
    changes: [
      [
        'this.#handed - (this.state.accepted - this.state.open)',
        'this.#handed - this.state.accepted',
      ],
      ['this.#taken = 0; this.#handed = 0;', 'this.#handed = 0;'],
      ['this.#taken = 0; this.#handed = 0;', 'this.#taken = 0;'],
      ['this.#reason = null; this.#error = null;', 'this.#error = null;'],
      ['this.#reason = null; this.#error = null;', 'this.#reason = null;'],
      ['this.#beatMs = Number.NaN;', ''],
      ["this.#reason ??= 'shutdown';", "this.#reason = 'shutdown';"],
      ['this.#untaken.splice(0, taken - this.#taken);', 'this.#untaken.splice(0, taken);'],
      ['this.#forgetTaken(); const untaken', 'const untaken'],
      ['this.#ledger.closeAll(this.#sys);', ''],
      ['this.#acceptedBefore += this.state.accepted;', ''],
      [
        'Math.min(this.#deadlineMs, nowMs + deadlineMs + END_GRACE_MS)',
        'nowMs + deadlineMs + END_GRACE_MS',
      ],
      ['this.#beats = beats; this.#beatMs = 0;', 'this.#beats = beats;'],
      ['this.#beatMs += sinceMs;', 'this.#beatMs = sinceMs;'],
      ['stallMs !== null && this.#beatMs >= stallMs', 'this.#beatMs >= stallMs'],
    ],
  },
  {
    kind,
    path: 'dist/src/workers/service-thread.js',
    changes: [
      ['if (where.fd !== undefined) this.loop.sys.close(where.fd);', ''],
      ['this.#handedOver && connections === 0', 'connections === 0'],
      [
        'if (listener === null) return this.#shutdown(SHUTDOWN_DEADLINE_MS);',
        'if (listener === null) return;',
      ],
      [
        'await listener.handOver(); this.#handedOver = true;',
        'this.#handedOver = true; await listener.handOver();',
      ],
      ['this.#handed?.close(this.loop.sys);', ''],
      ['if (this.#over) return; this.#over = true;', 'this.#over = true;'],
      ['this.#over = true; this.#beat();', 'this.#over = true;'],
      ['this.#port.unref();', ''],
      ['this.#listener?.close(); this.#handed', 'this.#handed'],
      ['to >= 0 && to < this.threads', 'to >= 0 && to <= this.threads'],
      ['await this.#ended(deadlineMs)', 'this.#ended(deadlineMs)'],
    ],
  },
];
