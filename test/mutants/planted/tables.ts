import type { PlantedFile } from './planted-file.ts';

/** Tables of pollers, handles and timers. */
export const tables: readonly PlantedFile[] = [
  {
    kind: 'a table and its indexes',
    path: 'dist/src/poller/poll.js',
    changes: [
      ['this.#places[this.#words[place * size] ?? 0] = place;', ''],
      ['this.#places[gone] = WAKER;', ''],
      [
        'place = this.#count - 1; place > WAKER; place -= 1',
        'place = 1; place < this.#count; place += 1',
      ],
      [
        'this.registry.generationOf(fd), read | write',
        'this.registry.generationOf(fd) + 0, read & write',
      ],
    ],
  },
  {
    kind: 'a table and its indexes',
    path: 'dist/src/poller/registry.js',
    changes: [
      ['if (words[at + GENERATION] !== generation) return 0;', ''],
      ['this.#words[fd * WORDS + TOKEN] = token;', ''],
    ],
  },
  {
    kind: 'a table and its indexes',
    path: 'dist/src/poller/ready-list.js',
    changes: [
      ['words[at] === fd && words[at + 1] === generation', 'words[at] === fd'],
      ['position < this.#count && words', 'words'],
    ],
  },
  {
    kind: 'a table and its indexes',
    path: 'dist/src/poller/select.js',
    changes: [
      ['Math.max(this.#fdEnd, fd + 1)', 'fd + 1'],
      ['this.#fdEnd > 0 && this.#wantedAt(this.#fdEnd - 1) === Interest.none', 'false'],
    ],
  },
  {
    kind: 'a table and its indexes',
    path: 'dist/src/poller/epoll.js',
    changes: [
      ['let at = this.#at; at < end', 'let at = this.#at + this.#size; at < end'],
      ['if (reports === 0 && !woken && !this.#forgot) this.#renew();', ''],
      ['this.#forgot = true;', ''],
    ],
  },
  {
    kind: 'a table and its indexes',
    path: 'dist/src/poller/base-poller.js',
    changes: [
      ['this.deregister(fd); const generation', 'const generation'],
      [
        'this.registry.markEdge(fd, edge && this.edgeTriggered);',
        'this.registry.markEdge(fd, this.registry.isEdge(fd) || (edge && this.edgeTriggered));',
      ],
    ],
  },
  {
    kind: 'a table and its indexes',
    path: 'dist/src/loop/readiness/backend.js',
    changes: [
      [
        'if (this.#byFd[handle.fd] === handle) this.#byFd[handle.fd] = undefined;',
        'this.#byFd[handle.fd] = undefined;',
      ],
    ],
  },
  {
    kind: 'a table and its indexes',
    path: 'dist/src/loop/readiness/shared-fd.js',
    changes: [
      ['for (const member of [...this.#members]) {', 'for (const member of this.#members) {'],
      ['this.#members.splice(at, 1)', 'this.#members.splice(at)'],
    ],
  },
  {
    kind: 'a table and its indexes',
    path: 'dist/src/base/token-slab.js',
    changes: [['occupant.token === token ? occupant : undefined', 'true ? occupant : undefined']],
  },
  {
    kind: 'a table and its indexes',
    path: 'dist/src/base/timer-heap.js',
    changes: [
      ['this.#rise(last, index);', ''],
      ['return one.sequence < other.sequence', 'return one.sequence > other.sequence'],
    ],
  },
];
