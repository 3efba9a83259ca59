import type { PlantedFile } from './planted-file.ts';

/** What a turn does at most. */
export const budgets: readonly PlantedFile[] = [
  {
    kind: 'a budget of a turn',
    path: 'dist/src/loop/readiness/acceptor.js',
    changes: [
      ['asked < burst', 'asked <= burst'],
      ['Math.min(2 * this.#burst, this.#burstMax)', '2 * this.#burst'],
      ['limited ? 1 : ACCEPTS_PER_TURN', 'ACCEPTS_PER_TURN'],
    ],
  },
  {
    kind: 'a budget of a turn',
    path: 'dist/src/loop/readiness/stream.js',
    changes: [
      ['sends < SENDS_PER_TURN', 'sends <= SENDS_PER_TURN'],
      ['sends < SENDS_PER_TURN && outbox.length', 'outbox.length'],
      ['this.#flushedAt === this.owner.stats.waits', 'false'],
      ['this.#eagains < EAGAINS_MAX || this.#stalled', 'this.#stalled'],
    ],
  },
  {
    kind: 'a budget of a turn',
    path: 'dist/src/loop/datagram/base-datagrams.js',
    changes: [
      ['calls < DATAGRAM_CALLS_PER_TURN', 'calls <= DATAGRAM_CALLS_PER_TURN'],
      ['reports < ERROR_REPORTS_PER_TURN && !this.gone', '!this.gone'],
      ['queue.count >= DATAGRAMS_GATHERED_MAX', 'queue.count > DATAGRAMS_GATHERED_MAX'],
    ],
  },
  {
    kind: 'a budget of a turn',
    path: 'dist/src/loop/datagram/receiver.js',
    changes: [['Math.min(4 * asked, most)', 'Math.min(2 * asked, most)']],
  },
  {
    kind: 'a budget of a turn',
    path: 'dist/src/loop/datagram/receive-slots.js',
    changes: [['Math.min(DATAGRAMS_PER_CALL, fitting)', 'DATAGRAMS_PER_CALL']],
  },
  {
    kind: 'a budget of a turn',
    path: 'dist/src/loop/loop.js',
    changes: [
      ['tasks.splice(TASKS_PER_TURN)', 'tasks.splice(TASKS_PER_TURN + 1)'],
      ['tasks.length > TASKS_PER_TURN ? tasks.splice(TASKS_PER_TURN) : []', '[]'],
    ],
  },
  {
    kind: 'a budget of a turn',
    path: 'dist/src/loop/timers.js',
    changes: [['next.deadlineMs <= nowMs', 'next.deadlineMs < nowMs']],
  },
  {
    kind: 'a budget of a turn',
    path: 'dist/src/loop/ring/acceptor.js',
    changes: [
      [
        'accepts < ACCEPTS_PER_TURN; accepts++) { if (this.gone) return true;',
        'accepts <= ACCEPTS_PER_TURN; accepts++) { if (this.gone) return true;',
      ],
      [
        'accepts < ACCEPTS_PER_TURN; accepts++) { if (this.gone || (this.paused',
        'accepts <= ACCEPTS_PER_TURN; accepts++) { if (this.gone || (this.paused',
      ],
    ],
  },
  {
    kind: 'a budget of a turn',
    path: 'dist/src/loop/ring/backend.js',
    changes: [['round < OVERFLOW_ROUNDS_MAX && this.#ring.overflowed', 'round < 1']],
  },
  {
    kind: 'a budget of a turn',
    path: 'dist/tools/load/traffic/pacer.js',
    changes: [['sends === SENDS_PER_TURN', 'sends > SENDS_PER_TURN']],
  },
];
