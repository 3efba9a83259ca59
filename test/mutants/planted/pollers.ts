import type { PlantedFile } from './planted-file.ts';

const kind = 'what a poller asks of the kernel';

/** Pollers: edges, sets, timeouts, waking. */
export const pollers: readonly PlantedFile[] = [
  {
    kind,
    path: 'dist/src/poller/select.js',
    changes: [
      ['byte << 3 < this.#fdEnd;', 'byte << 3 < this.#fdEnd - 1;'],
      ['let fd = this.#fdEnd - 1; fd >= 0', 'let fd = this.#fdEnd - 1; fd > 0'],
      ['if (dropped > 0 || !blamedNone) {', 'if (dropped > 0) {'],
      ['blamedNone = dropped === 0;', ''],
      ['this.#write.set(this.#wantedWrite);', ''],
      ['((write >> bit) & 1) * Interest.write', '((read >> bit) & 1) * Interest.write'],
    ],
  },
  {
    kind,
    path: 'dist/src/poller/kqueue.js',
    changes: [
      ['if (!this.#broken.delete(fd)) this.#apply', 'this.#broken.delete(fd); this.#apply'],
      ['this.#broken.size > 0 ? 0 : timeoutMs', 'timeoutMs'],
      ['(flags & EV_ERROR) !== 0', 'false'],
      ['result < 0 && (added & Interest.read) !== 0', 'false'],
      ['const added = wanted & ~installed;', 'const added = wanted;'],
      ['result === -this.sys.abi.errno.EINTR ? 0 : result', 'result'],
    ],
  },
  {
    kind,
    path: 'dist/src/poller/poll.js',
    changes: [
      ['if (at === this.#words.length)', 'if (at > this.#words.length)'],
      ['left > 0 && place < this.#count', 'left > 1 && place < this.#count'],
      ['if (closed < found) return', 'if (closed <= found) return'],
      ['installed === Interest.none || place === WAKER', 'installed === Interest.none'],
    ],
  },
  {
    kind,
    path: 'dist/src/poller/epoll.js',
    changes: [
      ['this.#at = end;', ''],
      [
        'this.registry.isEdge(fd) ? edge : 0',
        'this.registry.isEdge(fd) ? edge & ~this.#hangUp : 0',
      ],
      ['isThere ? this.#control(EPOLL_CTL_MOD, fd) : result', 'result'],
      ['interest === Interest.none || !this.registry.isEdge(fd)', 'interest === Interest.none'],
      ['this.registry.generationOf(fd) !== generation', 'false'],
      ['this.#forgot = false; return reports', 'return reports'],
      ['(events & this.#hangUp) !== 0 ? ENDING : 0', '(events & this.#hangUp) !== 0 ? 0 : 0'],
    ],
  },
  {
    kind,
    path: 'dist/src/poller/base-poller.js',
    changes: [
      ['interest !== Interest.none && this.registry.isEdge(fd)', 'false'],
      ['if (interest !== before || rearm) {', 'if (interest !== before) {'],
      ['if (before !== Interest.none) this.install(fd, before, Interest.none, 0);', ''],
      ['if (fd >= this.fdLimit)', 'if (fd > this.fdLimit)'],
      ['this.registry.change(fd, interest, token);', ''],
      ["waitErrnoKind(this.sys.abi, -result) === 'shortage'", 'false'],
    ],
  },
  {
    kind,
    path: 'dist/src/poller/ready-list.js',
    changes: [
      ['if (errno !== 0) words[at + 3] = errno;', 'words[at + 3] = errno;'],
      ['(words[at + 2] ?? 0) | found', 'found'],
      ['2 * at); if (fd >=', '2 * at); if (fd >'],
    ],
  },
  {
    kind,
    path: 'dist/src/poller/timeouts.js',
    changes: [
      ['Math.min(Math.ceil(timeoutMs)', 'Math.min(Math.floor(timeoutMs)'],
      ['Math.ceil((boundedMs *', 'Math.floor((boundedMs *'],
      ['Math.max(0, timeoutMs - (sys.monotonicMs() - startMs))', 'timeoutMs'],
    ],
  },
  {
    kind,
    path: 'dist/src/poller/wakers.js',
    changes: [
      ['while (result === -abi.errno.EINTR)', 'while (false)'],
      ["handle.kind === 'eventfd' ? ONE.length : 1", '1'],
      ['if (result === -abi.errno.EAGAIN) return;', ''],
      ['if (this.handle.fd !== this.fd) this.#sys.close(this.handle.fd);', ''],
    ],
  },
  {
    kind,
    path: 'dist/src/poller/periodic-wake-timer.js',
    changes: [
      ['(periodMs % 1000) * 1e6', '(periodMs % 1000) * 1e3'],
      ['for (const base of [0, size])', 'for (const base of [0])'],
      ['timer.close(); return null;', 'return null;'],
    ],
  },
];
