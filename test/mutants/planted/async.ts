import type { PlantedFile } from './planted-file.ts';

const kind = 'what is awaited';

/** Promises and iterators over connections; what a loop tells of itself. */
export const asynchronous: readonly PlantedFile[] = [
  {
    kind,
    path: 'dist/src/net/async/connection-queue.js',
    changes: [
      ['=== CONNECTIONS_WAITING_MAX - 1', '=== CONNECTIONS_WAITING_MAX'],
      [
        'this.#waiting.size < CONNECTIONS_WAITING_MAX',
        'this.#waiting.size <= CONNECTIONS_WAITING_MAX',
      ],
      ['this.#error = null; if (error !== null) throw', 'if (error !== null) throw'],
      ['if (!isHeard) this.closeWaiting();', ''],
      ['this.#iterators.delete(iterator);', ''],
    ],
  },
  {
    kind,
    path: 'dist/src/net/async/pull-iterator.js',
    changes: [
      ['this.#source.over(how); this.wake();', 'this.#source.over(how);'],
      ["if (result.done === true) this.#end('end');", ''],
    ],
  },
  {
    kind,
    path: 'dist/src/net/async/received-chunks.js',
    changes: [
      ['this.#bytes -= chunk.length;', ''],
      ['if (this.#dropped) return; this.#chunks', 'this.#chunks'],
      ['this.#paused = false; if (this.#connection', 'if (this.#connection'],
      ['this.#bytes < this.#bytesHigh', 'this.#bytes <= this.#bytesHigh'],
      ['if (this.#ended) return; this.#ended = true;', 'this.#ended = true;'],
    ],
  },
  {
    kind,
    path: 'dist/src/net/async/shutdown.js',
    changes: [
      ['this.#connections.size === 0 || atMs >= this.#atMs', 'this.#connections.size === 0'],
      ['this.#atMs = atMs; this.#timer?.cancel();', 'this.#atMs = atMs;'],
      ['this.#timer?.cancel(); unregister', 'unregister'],
      ['if (!this.#resetting) this.#ended += 1;', 'this.#ended += 1;'],
      ['unregister(this.#loop, this); this.#resolve', 'this.#resolve'],
    ],
  },
  {
    kind,
    path: 'dist/src/net/async/abort.js',
    changes: [
      ['unregister(this.#loop, this);', ''],
      ["this.#signal.removeEventListener('abort', this.#heard);", ''],
      ['finally { watch.end(); }', 'finally { }'],
    ],
  },
  {
    kind,
    path: 'dist/src/net/async/lines.js',
    changes: [['this.#chunks.dropped || this.#lines.length === 0', 'this.#lines.length === 0']],
  },
  {
    kind,
    path: 'dist/src/net/async/async-connection.js',
    changes: [
      ['this.#received.drop(); this.#iterator?.wake(); return', 'this.#received.drop(); return'],
      ['&& this.connection.bytesSent >= this.#written', ''],
      ['if (error === null && this.#isSent) this.#drained();', ''],
      ['unregister(this.#loop, this.#sink);', ''],
      ['this.#iterator = null; if (how', 'if (how'],
      ["how !== 'end' && !this.#closed", '!this.#closed'],
      ['data.#received.bound();', ''],
      ['bytesSent < this.#written ||', ''],
    ],
  },
  {
    kind: 'what a loop tells of itself',
    path: 'dist/src/net/lag-probe.js',
    changes: [
      ['everyMs).unref()', 'everyMs)'],
      ['this.#dueMs = nowMs + this.#everyMs;', 'this.#dueMs += this.#everyMs;'],
      [
        'Math.max(0, Math.round((nowMs - this.#dueMs) * 1000))',
        'Math.round((nowMs - this.#dueMs) * 1000)',
      ],
    ],
  },
  {
    kind: 'what a loop tells of itself',
    path: 'dist/src/net/event-loop.js',
    changes: [
      ['this.#lag?.end(); this.#lag = everyMs', 'this.#lag = everyMs'],
      ['this.#lag?.end(); this.#loop.close();', 'this.#loop.close();'],
    ],
  },
  {
    kind: 'what a loop tells of itself',
    path: 'dist/src/base/histogram.js',
    changes: [
      ['this.#sum += value;', 'this.#sum += bucket;'],
      ['counted >= wanted', 'counted > wanted'],
      ['Math.ceil(share * this.#count)', 'Math.floor(share * this.#count)'],
      ['highestOf(bucket) <= value', 'highestOf(bucket) < value'],
      ['value > VALUE_MAX ? VALUE_MAX : value', 'value'],
      ['Math.min(highestOf(bucket), this.#max)', 'highestOf(bucket)'],
      ['bucket < 2 * SHARES', 'bucket <= 2 * SHARES'],
    ],
  },
];
