import type { PlantedFile } from './planted-file.ts';

/** Sends that are gathered, staged and confirmed. */
export const sends: readonly PlantedFile[] = [
  {
    kind: 'bytes staged, put in front or confirmed',
    path: 'dist/src/loop/gathered-sends.js',
    changes: [
      ['this.#borrowedBatch === this.batch;', 'false;'],
      ['this.#staged += length; return at;', 'return at;'],
      ['this.#staged = 0;', ''],
      ['this.batch = (this.batch + 1) & BATCH_MASK;', ''],
      ['start + length <= first + chunk.length', 'start <= first + chunk.length'],
      ['this.#sentFromCount = 0;', ''],
    ],
  },
  {
    kind: 'bytes staged, put in front or confirmed',
    path: 'dist/src/loop/base-stream.js',
    changes: [
      [
        'sends.bytes(this.#flightOffset + sent, this.#flightLength - sent)',
        'sends.bytes(this.#flightOffset, this.#flightLength - sent)',
      ],
      ['this.#flightLength += length;', ''],
      ['this.outbox.prepend(rest)', 'this.outbox.append(rest, 0, rest.length)'],
    ],
  },
  {
    kind: 'bytes staged, put in front or confirmed',
    path: 'dist/src/loop/outbox.js',
    changes: [
      ['if (this.#chunks.length === 1) this.#end = chunk.length;', ''],
      ['this.#chunks.shift(); this.#start = 0;', 'this.#chunks.shift();'],
    ],
  },
  {
    kind: 'bytes staged, put in front or confirmed',
    path: 'dist/src/loop/ring/backend.js',
    changes: [
      ['if (this.#ring.overflowed || this.#ring.pending > 0) return;', ''],
      [
        'if (this.#ring.overflowed || this.#ring.pending > 0) return;',
        'if (this.#ring.pending > 0) return;',
      ],
      ['completion.replaceKind(Operation.none);', ''],
      ['if (handle.unsubmitted) { this.flushSends();', 'if (handle.unsubmitted) {'],
      ['this.buffers.publish(); } #shortWrite', '} #shortWrite'],
      [
        'if (handle.inFlight) this.markDirty(handle); else this.letGo(handle);',
        'this.letGo(handle);',
      ],
    ],
  },
  {
    kind: 'bytes staged, put in front or confirmed',
    path: 'dist/src/loop/ring/stream.js',
    changes: [
      ['if (this.#undecided) this.owner.reportLater(this);', ''],
      ['if (this.paused && this.held !== null && this.#receiving) this.#cancelReceive();', ''],
      ['if (chunk.length > MULTISHOT_BYTES_MAX) this.#useSingleShot(more);', ''],
    ],
  },
  {
    kind: 'bytes staged, put in front or confirmed',
    path: 'dist/src/ring/submission.js',
    changes: [['this.#addressSlot += 1;', '']],
  },
  {
    kind: 'bytes staged, put in front or confirmed',
    path: 'dist/src/ring/buffers.js',
    changes: [
      ['this.#tail = (this.#tail + 1) & 0xffff;', 'this.#tail = (this.#tail + 1) & 0x7fff;'],
    ],
  },
  {
    kind: 'bytes staged, put in front or confirmed',
    path: 'dist/src/ring/completions.js',
    changes: [
      [
        'if (this.#visited > 0) this.#memory.release(this.#visited);',
        'this.#memory.release(this.#count);',
      ],
    ],
  },
];
