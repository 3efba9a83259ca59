import type { PlantedFile } from './planted-file.ts';

/** Promises and iterators over connections; what a loop tells of itself. */
export const asynchronous: readonly PlantedFile[] = [
  {
    kind: 'what is awaited',
    path: 'dist/src/net/async/connection-queue.js',
    changes: [
      ['=== CONNECTIONS_WAITING_MAX - 1', '=== CONNECTIONS_WAITING_MAX'],
      ['this.#error = null; if (error !== null) throw', 'if (error !== null) throw'],
      ['this.#iterators.delete(iterator);', ''],
    ],
  },
  {
    kind: 'what is awaited',
    path: 'dist/src/net/async/pull-iterator.js',
    changes: [["if (result.done === true) this.#end('end');", '']],
  },
  {
    kind: 'what is awaited',
    path: 'dist/src/net/async/received-chunks.js',
    changes: [
      ['if (this.#dropped) return; this.#chunks', 'this.#chunks'],
      ['this.#bytes < this.#bytesHigh', 'this.#bytes <= this.#bytesHigh'],
    ],
  },
  {
    kind: 'what is awaited',
    path: 'dist/src/net/async/shutdown.js',
    changes: [
      ['this.#connections.size === 0 || atMs >= this.#atMs', 'this.#connections.size === 0'],
      ['this.#timer?.cancel(); unregister', 'unregister'],
      ['unregister(this.#loop, this); this.#resolve', 'this.#resolve'],
    ],
  },
  {
    kind: 'what is awaited',
    path: 'dist/src/net/async/abort.js',
    changes: [["this.#signal.removeEventListener('abort', this.#heard);", '']],
  },
  {
    kind: 'what is awaited',
    path: 'dist/src/net/async/lines.js',
    changes: [['this.#chunks.dropped || this.#lines.length === 0', 'this.#lines.length === 0']],
  },
  {
    kind: 'what is awaited',
    path: 'dist/src/net/async/async-connection.js',
    changes: [
      ['&& this.connection.bytesSent >= this.#written', ''],
      ['unregister(this.#loop, this.#sink);', ''],
      ["how !== 'end' && !this.#closed", '!this.#closed'],
      ['bytesSent < this.#written ||', ''],
    ],
  },
  {
    kind: 'what a loop tells of itself',
    path: 'dist/src/net/lag-probe.js',
    changes: [['this.#dueMs = nowMs + this.#everyMs;', 'this.#dueMs += this.#everyMs;']],
  },
  {
    kind: 'what a loop tells of itself',
    path: 'dist/src/net/event-loop.js',
    changes: [['this.#lag?.end(); this.#lag = everyMs', 'this.#lag = everyMs']],
  },
  {
    kind: 'what a loop tells of itself',
    path: 'dist/src/base/histogram.js',
    changes: [
      ['this.#sum += value;', 'this.#sum += bucket;'],
      ['Math.ceil(share * this.#count)', 'Math.floor(share * this.#count)'],
      ['value > VALUE_MAX ? VALUE_MAX : value', 'value'],
      ['bucket < 2 * SHARES', 'bucket <= 2 * SHARES'],
    ],
  },
];
