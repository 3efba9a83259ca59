import type { PlantedFile } from './planted-file.ts';

/** Listeners and connects; connections as they close; their guards. */
export const listeners: readonly PlantedFile[] = [
  {
    kind: 'a listener',
    path: 'dist/src/net/stream/listener.js',
    changes: [
      [
        'const full = this.#count >= this.#connectionsMax',
        'const full = this.#count > this.#connectionsMax',
      ],
      ['this.#exhaustion?.cancel();', ''],
      ['this.#exhaustion = null; this.#update();', 'this.#exhaustion = null;'],
      ['if (this.#toldOfLimit) return;', ''],
      ['stats.bytesSent += connection.bytesSent;', 'stats.bytesSent += connection.bytesReceived;'],
      ['this.#abort?.end();', ''],
      ['if (this.#handOver === null) this.removeFile();', 'this.removeFile();'],
      ['this.#connections.size + (this.#gate?.waiting ?? 0)', 'this.#connections.size'],
      ['this.#tell(error, !isHeard);', 'this.#tell(error, true);'],
    ],
  },
  {
    kind: 'a connect',
    path: 'dist/src/net/stream/connector.js',
    changes: [
      ['if (this.#looking) this.#loop.releaseNodeLoop();', ''],
      ['this.#deadline?.cancel(); this.#retry?.cancel();', 'this.#retry?.cancel();'],
      ['this.#abort?.end();', ''],
      ['this.#loop.releaseNodeLoop(); if (!this.#over)', 'if (!this.#over)'],
      ['sys.close(fd); this.#errors.push(tooHigh', 'this.#errors.push(tooHigh'],
      ['this.#retry = null; this.#found([address]);', 'this.#found([address]);'],
      [
        'sys.close(fd); this.#errors.push(selfConnectionError',
        'this.#errors.push(selfConnectionError',
      ],
      ['!this.#looking || this.#over || this.#loop.closed', 'this.#over || this.#loop.closed'],
    ],
  },
  {
    kind: 'a connection',
    path: 'dist/src/net/stream/connection-group.js',
    changes: [
      ['group.isOther = true;', ''],
      ['Math.min(QUEUE_BYTES_HIGH, this.queueBytesMax)', 'QUEUE_BYTES_HIGH'],
      [
        'new ConnectionGroup(loop, settings, tcp, this.#onClosed)',
        'new ConnectionGroup(loop, settings, tcp, null)',
      ],
    ],
  },
  {
    kind: 'a connection',
    path: 'dist/src/net/stream/connection-errors.js',
    changes: [['neededBytes <= queueBytesMax', 'neededBytes < queueBytesMax']],
  },
  {
    kind: 'a connection',
    path: 'dist/src/net/stream/stream-connection.js',
    changes: [
      ['stream.queuedBytes + length, queueBytesMax', 'length, queueBytesMax'],
      ['this.#peerEnded && this.#stream.queuedBytes === 0', 'this.#peerEnded'],
      ['if (this.#lingering) this.#unacknowledged = this.unacknowledgedBytes;', ''],
      ['this.#stream.resume(); this.#idleTimer =', 'this.#idleTimer ='],
      ['if (left === 0) this.#closeNow(); else', ''],
      [
        "this.#drainOwed = false; this.#call('drain');",
        "this.#call('drain'); this.#drainOwed = false;",
      ],
      ['if (queued > this.#group.queueBytesHigh) this.#drainOwed = true;', ''],
      ['this.#ending && this.#stream.queuedBytes === 0', 'this.#ending'],
    ],
  },
  {
    kind: 'a guard',
    path: 'dist/src/net/guards/gate.js',
    changes: [
      ['this.#owner.connections + this.waiting', 'this.#owner.connections'],
      ['connection.setTimeout(this.#group.idleTimeoutMs);', ''],
      [
        'this.#addressRefusal(remote) ?? this.#loadRefusal()',
        'this.#loadRefusal() ?? this.#addressRefusal(remote)',
      ],
      ['this.#table.remove(key);', ''],
      ['this.#serial += 1;', ''],
    ],
  },
  {
    kind: 'a guard',
    path: 'dist/src/net/guards/proxy-phase.js',
    changes: [
      ['if (!this.#waiting.has(connection)) return;', ''],
      ['header.byteLength - before', 'header.byteLength'],
      ['this.#leave(connection); this.#outcome.gone();', 'this.#outcome.gone();'],
      ["error.code === 'ERR_PROXY_HEADER_ABSENT' && !this.#plan.required", '!this.#plan.required'],
    ],
  },
  {
    kind: 'a guard',
    path: 'dist/src/net/guards/guarded-connection.js',
    changes: [
      ['this.bytesReceived > 0 || this.#rest !== null', 'this.bytesReceived > 0'],
      [
        'if (this.abandon(error)) this.#guard.count(kind);',
        'this.abandon(error); this.#guard.count(kind);',
      ],
      ['else if (!this.#isHeld) super.resume();', 'else super.resume();'],
      [
        'this.#isHeld = false; if (!this.#isPaused) super.resume();',
        'this.#isHeld = false; super.resume();',
      ],
      ['this.#leaveBacklog(); this.release();', 'this.#leaveBacklog();'],
      ['this.#lifetime?.cancel();', ''],
      ['this.#look?.cancel(); this.#look = null;', 'this.#look = null;'],
    ],
  },
  {
    kind: 'a guard',
    path: 'dist/src/net/guards/backlog.js',
    changes: [
      ['this.#bytes += bytes - member.countedBytes;', 'this.#bytes += bytes;'],
      ['last.backlogIndex = index;', ''],
      ['this.#bytes = sum;', ''],
      ['this.#isHolding = false; for', 'for'],
      ['this.left(chosen); chosen.shed();', 'chosen.shed();'],
    ],
  },
  {
    kind: 'a guard',
    path: 'dist/src/net/guards/address-ranges.js',
    changes: [['prefix >= 32 ? 0', 'prefix > 32 ? 0']],
  },
];
