import type { PlantedFile } from './planted-file.ts';

const kind = 'TLS on a connection';

/** TLS: handshakes, what is decrypted, the end. */
export const tls: readonly PlantedFile[] = [
  {
    kind,
    path: 'dist/src/net/tls/tls-stream-connection.js',
    changes: [
      ['if (!this.isHandshaking || this.#isSecured) return;', 'if (!this.isHandshaking) return;'],
      ['if (this.#closedAhead) this.#settleSoon();', ''],
      ['this.#group.loop.releaseNodeLoop();', ''],
      ['this.#timer?.cancel(); this.#timer = null; this.#sink.secured', 'this.#sink.secured'],
      ['this.#sessions = []; for', 'for'],
      ['else chunks.splice(0, index);', 'else chunks.length = 0;'],
      ['this.#drainOwed = false; this.#call', 'this.#call'],
      ['!this.#drainOwed || this.queuedBytes > 0', '!this.#drainOwed'],
      [
        'this.#chunks.length > 0 || this.#isNotified || this.#error !== null',
        'this.#chunks.length > 0',
      ],
      ['lingerMs > 0 || this.queuedBytes === 0', 'true'],
      ['this.#timer = null; this.#chunks.length = 0;', 'this.#timer = null;'],
      ['if (this.#closing || this.#paused) return;', 'if (this.#closing) return;'],
      ['this.#transport.closed();', ''],
      [
        'this.connection.close({ lingerMs: ALERT_LINGER_MS }); this.#sink.failed',
        'this.connection.close(); this.#sink.failed',
      ],
      ['this.queuedBytes + length, queueBytesMax', 'length, queueBytesMax'],
      ['if (this.#wasOpen) this.#call', 'this.#call'],
      ['this.#transport.taken = true;', ''],
      ['if (queued > this.#queueBytesHigh) this.#drainOwed = true;', ''],
    ],
  },
  {
    kind,
    path: 'dist/src/net/tls/tls-connector.js',
    changes: [
      ['this.#abort?.end();', ''],
      ['this.#connection?.cancel();', ''],
      ['Math.min(this.#group.handshakeTimeoutMs, leftMs)', 'this.#group.handshakeTimeoutMs'],
      ['if (this.#over) return; this.#end(); this.#loop', 'this.#end(); this.#loop'],
    ],
  },
  {
    kind,
    path: 'dist/src/net/tls/tls-listener.js',
    changes: [
      ['this.#handshakes.size >= this.#handshakesMax) this.#update();', 'false) this.#update();'],
      ['if (wasFull) this.#update();', ''],
      ['this.#connections.delete(connection);', ''],
      ['for (const connection of this.#handshakes.values()) connection.cancel();', ''],
      ['this.#handshakeDone(connection); this.#connections.delete', 'this.#connections.delete'],
      ['this.#queue?.end(null);', ''],
    ],
  },
  {
    kind,
    path: 'dist/src/net/tls/tls-transport.js',
    changes: [
      ['if (!this.#connection.write(chunk)) this.taken = false;', 'this.#connection.write(chunk);'],
      ['this.written += chunk.length;', ''],
      ['while (this.#isWriting)', 'if (this.#isWriting)'],
      ['socket.write(copyOf(piece), this.#passedOn)', 'socket.write(piece, this.#passedOn)'],
    ],
  },
  {
    kind,
    path: 'dist/src/net/tls/start-tls.js',
    changes: [
      ['if (this.#head !== null) this.receiveHead();', ''],
      ['this.#head = null; if (head !== null', 'if (head !== null'],
      ['connection.resume();', ''],
      ['copyOf(viewOf(head))', 'viewOf(head)'],
    ],
  },
  {
    kind,
    path: 'dist/src/net/tls/tls-group.js',
    changes: [['connection.abandon(); if', 'if']],
  },
];
