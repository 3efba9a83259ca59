import type { PlantedFile } from './planted-file.ts';

/** Datagrams. */
export const datagrams: readonly PlantedFile[] = [
  {
    kind: 'a datagram',
    path: 'dist/src/loop/datagram/send-queue.js',
    changes: [
      ['this.bytes + length > this.#bytesMax', 'this.bytes + length >= this.#bytesMax'],
      ['if (this.bytes + length > this.#bytesMax) return false;', ''],
      ['length > segment || datagrams === SEGMENTS_MAX', 'datagrams === SEGMENTS_MAX'],
      ['if (length < segment) this.#isOpen[slot] = 0;', ''],
      ['datagrams === SEGMENTS_MAX', 'datagrams > SEGMENTS_MAX'],
      ['before + length > SEGMENTED_BYTES_MAX', 'before + length >= SEGMENTED_BYTES_MAX'],
      ['this.#isOpen[slot] === 0 || this.#names[slot] !== to', 'this.#isOpen[slot] === 0'],
      [
        'if (this.#controls[slot] !== control || length === 0) return false;',
        'if (length === 0) return false;',
      ],
      ['this.#start() - end - 1', 'this.#start() - end'],
      ['start - begin > length', 'start - begin >= length'],
      ['|| this.#segmentBytes[slot] !== 0) {', ') {'],
      ['end += old.bufferLength(slot);', 'end += 0;'],
      ['this.datagrams -= this.#datagrams[slot] ?? 0;', 'this.datagrams -= 1;'],
      ['this.datagrams += datagrams - 1;', 'this.datagrams += datagrams;'],
    ],
  },
  {
    kind: 'a datagram',
    path: 'dist/src/loop/datagram/base-datagrams.js',
    changes: [
      [
        'queue.bytes + length <= this.#settings.queuedBytesMax',
        'queue.bytes + length < this.#settings.queuedBytesMax',
      ],
      ['this.#owesDrain = true;', ''],
      ['if (this.#owesDrain) this.owner.reportLater(this);', ''],
      ['!this.#owesDrain || this.queuedDatagrams > 0', '!this.#owesDrain'],
      ['this.#owesDrain = false; this.sink.drained();', 'this.sink.drained();'],
      ['this.counters.refused += 1;', ''],
      ['if (!this.gone && !this.#blocked) this.#sendAll(); super.close();', 'super.close();'],
      ['this.#metErrno = errno; return true;', 'return true;'],
      ['if (met !== errno) this.hadError(met);', ''],
      ['if (met !== errno) this.hadError(met);', 'this.hadError(met);'],
      ['this.#metErrno = 0; if (met', 'if (met'],
      ['this.#metErrno === 0 && !hears', 'this.#metErrno === 0'],
      ['return this.#block(this.#settings.unixPeers);', 'return this.#block(false);'],
      ['eintr += 1; return this.#block(true);', 'eintr += 1; return this.#block(false);'],
      [
        'isAmong(errors.shortage, errno)) return this.#block(true);',
        'isAmong(errors.shortage, errno)) return this.#block(this.#settings.unixPeers);',
      ],
      [
        'this.#resting = false; this.#blocked = false; this.#sendAll();',
        'this.#resting = false; this.#blocked = false;',
      ],
      [
        'this.#wakes += 1; this.owner.markDirty(this); this.#sendAll();',
        'this.#wakes += 1; this.#sendAll();',
      ],
      ['this.#wakes += 1;', ''],
      ['this.#wakes = 0; const met', 'const met'],
      ['const datagrams = isCut ? 1 : queue.firstDatagrams;', 'const datagrams = 1;'],
    ],
  },
  {
    kind: 'a datagram',
    path: 'dist/src/loop/datagram/receiver.js',
    changes: [
      ['if ((flags & this.#truncatedFlag) !== 0) counters.truncated += 1;', ''],
      ['if ((flags & this.#controlTruncatedFlag) !== 0) counters.controlTruncated += 1;', ''],
      ['this.#countDropped(received, length - 1);', 'this.#countDropped(received, 0);'],
      [
        'if (dropped > this.#counters.droppedByKernel) this.#counters.droppedByKernel = dropped',
        'this.#counters.droppedByKernel += dropped',
      ],
      [
        'Math.ceil((received.byteLengths[index] ?? 0) / segment)',
        'Math.floor((received.byteLengths[index] ?? 0) / segment)',
      ],
    ],
  },
  {
    kind: 'a datagram',
    path: 'dist/src/loop/datagram/receive-slots.js',
    changes: [
      ['if (bytesMax !== this.#roomBytes) this.#setRoom(bytesMax);', ''],
      ['this.#roomBytes = bytes;', ''],
    ],
  },
  {
    kind: 'a datagram',
    path: 'dist/src/net/datagram/address-table.js',
    changes: [
      ['this.#entries[first + 1] = known;', ''],
      ['index < length; index++', 'index < length - 9; index++'],
      ['this.#entries[first] = address;', 'this.#entries[first + 1] = address;'],
    ],
  },
  {
    kind: 'a datagram',
    path: 'dist/tools/echo/datagrams/reply-guard.js',
    changes: [
      ['{ perSecond, burst: perSecond }', '{ perSecond, burst: perSecond + 1 }'],
      ['this.#buckets.size >= ADDRESSES_MAX', 'this.#buckets.size > ADDRESSES_MAX'],
      ['this.#buckets.delete(oldest); break;', 'this.#buckets.delete(oldest);'],
      ["host.startsWith('127.') ||", "host.startsWith('12') ||"],
    ],
  },
  {
    kind: 'a datagram',
    path: 'dist/src/loop/readiness/datagrams.js',
    changes: [['if ((interest & Interest.write) !== 0) this.sendWaiting();', '']],
  },
  {
    kind: 'a datagram',
    path: 'dist/src/loop/ring/datagrams.js',
    changes: [['this.owner.markDirty(this); if (result <= 0)', 'if (result <= 0)']],
  },
];
