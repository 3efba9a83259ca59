import type { PlantedFile } from './planted-file.ts';

/** Streams, listeners and idle checks. */
export const streams: readonly PlantedFile[] = [
  {
    kind: 'what an edge or a refusal is owed',
    path: 'dist/src/loop/readiness/stream.js',
    changes: [
      ['if (this.#edge && !this.#stalled) this.owner.reportLater(this);', ''],
      ['if (this.#edge && !this.#stalled) this.#rearm();', ''],
      ['if (sent > 0 && this.#edge) this.#rearm();', ''],
      ['if (this.#edge) this.rearm = true;', ''],
      ['retry() { this.#stalled = false; this.#rearm(); }', 'retry() { this.#stalled = false; }'],
      ['if (this.#readable && this.#edge) this.owner.reportLater(this);', ''],
      ['length === BUFFER_BYTES || this.#ending', 'length === BUFFER_BYTES'],
      [
        'result === -EAGAIN || result === -ENOBUFS || result === -EINTR) this.#gaveNothing()',
        'result === -EAGAIN || result === -EINTR) this.#gaveNothing()',
      ],
      ['while (result === -EINTR && this.#eagains < EAGAINS_MAX) {', 'while (result === -EINTR) {'],
    ],
  },
  {
    kind: 'what an edge or a refusal is owed',
    path: 'dist/src/loop/base-stream.js',
    changes: [
      ["result === -(known['ENOBUFS'] ?? 0) ||", ''],
      ["result === -(known['EINTR'] ?? 0) ||", ''],
    ],
  },
  {
    kind: 'what an edge or a refusal is owed',
    path: 'dist/src/loop/ring/stream.js',
    changes: [
      [
        'markDirty(this); } else { this.break(-result); } } /** A send',
        'sys; } else { this.break(-result); } } /** A send',
      ],
      ['this.owner.outOfBuffers(this);', ''],
    ],
  },
  {
    kind: 'what a paused or full listener holds',
    path: 'dist/src/loop/readiness/acceptor.js',
    changes: [
      ['(this.paused && !this.#retiring) || this.#held.size > 0', 'this.paused && !this.#retiring'],
      ['if (!paused && this.#held.size > 0) this.owner.reportLater(this);', ''],
      ['this.owner.sys.close(fd); }', '}'],
      [
        '!this.#retiring || this.gone || this.#asked > 0 || this.#held.size > 0',
        '!this.#retiring || this.gone || this.#asked > 0',
      ],
      [
        'if (this.paused || this.#retiring || errno === EAGAIN) return;',
        'if (this.#retiring || errno === EAGAIN) return;',
      ],
      [
        'this.paused || this.#retiring || this.#stalled || this.#held.size > 0',
        'this.paused || this.#retiring || this.#held.size > 0',
      ],
    ],
  },
  {
    kind: 'what a paused or full listener holds',
    path: 'dist/src/loop/ring/acceptor.js',
    changes: [
      [
        '(this.paused && !this.#retiring) || this.#held.size > 0) {',
        'this.paused && !this.#retiring) {',
      ],
      ['for (const fd of this.#held) this.owner.sys.close(fd);', ''],
      ['if (!paused && this.#held.size > 0) this.owner.reportLater(this);', ''],
      ['return [...this.#held, ...this.#reserve.fds];', 'return this.#reserve.fds;'],
      ['if (this.#acceptRest()) this.owner.remove(this);', 'this.owner.remove(this); if (false);'],
    ],
  },
  {
    kind: 'an idle check that is deferred',
    path: 'dist/src/net/stream/stream-connection.js',
    changes: [
      [
        'if (this.#idleTimer !== timer || this.#rearmed()) return;',
        'if (this.#idleTimer !== timer) return;',
      ],
      ['if (this.#idleTimer !== timer || this.#rearmed()) return;', 'if (this.#rearmed()) return;'],
      ['if (queued !== this.#queuedThen) this.#activeMs = loop.nowMs;', ''],
      ['this.#queuedThen = queued;', ''],
      ['if (leftMs <= 0) return false;', 'if (leftMs < -1) return false;'],
      [
        'loop.setTimer(leftMs, () => this.#checkIdle())',
        'loop.setTimer(this.#idleMs, () => this.#checkIdle())',
      ],
    ],
  },
];
