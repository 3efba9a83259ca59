import type { PlantedFile } from './planted-file.ts';

/** Sockets of node:net's and node:dgram's make, and web streams. */
export const adapters: readonly PlantedFile[] = [
  {
    kind: 'a socket as of node:net',
    path: 'dist/src/adapters/thread-loop.js',
    changes: [
      ['this.loop.unref(); this.loop.attach();', 'this.loop.attach();'],
      ['if (this.#holds === 0) this.loop.unref();', ''],
    ],
  },
  {
    kind: 'a socket as of node:net',
    path: 'dist/src/adapters/net/socket.js',
    changes: [
      ['this.#paused = false; this.connection?.resume();', 'this.connection?.resume();'],
      ["this.off('close', closed); write();", 'write();'],
      ['this.stopTimer(); this.#operation?.cancel();', 'this.#operation?.cancel();'],
      ['this.#acceptor?.left(); this.#acceptor = null;', 'this.#acceptor = null;'],
      ['this.#resetting = true; this.destroy();', 'this.destroy();'],
      ['if (this.destroyed) return; if (!this.isPaused())', 'if (!this.isPaused())'],
      ['this.forgetPeer();', ''],
      ['this.#hadError = error !== null;', ''],
    ],
  },
  {
    kind: 'a socket as of node:net',
    path: 'dist/src/adapters/net/socket-base.js',
    changes: [
      ['ms).unref()', 'ms)'],
      ["this.off('timeout', callback);", ''],
    ],
  },
  {
    kind: 'a socket as of node:net',
    path: 'dist/src/adapters/net/server.js',
    changes: [
      ['this.#connections >= this.maxConnections', 'this.#connections > this.maxConnections'],
      ['this.#closing = false; this.#hold();', 'this.#closing = false;'],
      ['this.#listener !== null || this.#closing', 'this.#listener !== null'],
      ["remoteAddress.family === 'IPv6' ? 'ipv6' : 'ipv4'", "'ipv4'"],
    ],
  },
  {
    kind: 'a socket as of node:net',
    path: 'dist/src/adapters/net/connect-operation.js',
    changes: [
      ['this.#over = true; clearTimeout(this.#timer);', 'this.#over = true;'],
      ['if (rest.length === 0) return;', ''],
      ['Math.max(same.length, other.length)', 'same.length'],
    ],
  },
  {
    kind: 'a socket as of node:dgram',
    path: 'dist/src/adapters/dgram/sends.js',
    changes: [
      ['this.#waitingBytes += bytes.length;', ''],
      ['this.#waiting.length > 0 || !this.#handle()', '!this.#handle()'],
      ['?? 0) < number', '?? 0) <= number'],
      ['this.#waitingBytes -= bytes.length;', ''],
      ['if (this.#settled < number && !this.#isOver) this.#handle().flush();', ''],
      ['AsyncResource.bind(callback)', 'callback'],
    ],
  },
  {
    kind: 'a socket as of node:dgram',
    path: 'dist/src/adapters/dgram/bound-socket.js',
    changes: [
      [
        'if (this.#late.length > 0) this.#loop.defer(() => this.#deliverLate());' + ' throw',
        'throw',
      ],
      ['this.#timer?.cancel(); this.#timer = null; this.sends', 'this.sends'],
      ['if (this.#isClosed) return;', ''],
    ],
  },
  {
    kind: 'a socket as of node:dgram',
    path: 'dist/src/adapters/dgram/hosts.js',
    changes: [
      ['this.#answers.size >= NAMES_MAX', 'this.#answers.size > NAMES_MAX'],
      ['AsyncResource.bind(found)', 'found'],
    ],
  },
  {
    kind: 'a socket as of node:dgram',
    path: 'dist/src/adapters/dgram/socket.js',
    changes: [['const copy = new Uint8Array(bytes); this.hosts', 'const copy = bytes; this.hosts']],
  },
  {
    kind: 'a socket as of node:dgram',
    path: 'dist/src/adapters/dgram/socket-states.js',
    changes: [
      ["this.#binding = 'unbound'; this.emit", 'this.emit'],
      ['bound.flush(); const result = connectSocket', 'const result = connectSocket'],
      ["error === null ? 'connected' : 'none'", "'connected'"],
      ['this.removeListener(EventEmitter.errorMonitor, failed);', ''],
    ],
  },
  {
    kind: 'a socket as web streams',
    path: 'dist/src/adapters/web/socket-streams.js',
    changes: [
      ['this.on.release();', ''],
      ['this.#timer?.cancel(); unregister', 'unregister'],
      ['byReset || connection.queuedBytes > 0', 'byReset'],
      [
        "this.#heir?.failed(cause ?? new SocketError('the socket was closed before" + " TLS'));",
        '',
      ],
      ['this.#isDisposed = true;', ''],
      ['if (this.#isCancelled) this.#readerEnded();', ''],
      [
        '!this.#isCancelled || !this.#isFinished || this.isOver',
        '!this.#isCancelled || this.isOver',
      ],
      ['this.#timer?.cancel(); this.#timer = this.on.loop', 'this.#timer = this.on.loop'],
      [
        'const isCut = this.writable.isBusy; this.writable.fail(why);',
        'this.writable.fail(why); const isCut = this.writable.isBusy;',
      ],
    ],
  },
  {
    kind: 'a socket as web streams',
    path: 'dist/src/adapters/web/readable-side.js',
    changes: [
      ['controller?.byobRequest?.respond(0);', ''],
      ['copyOf(chunk.subarray(given))', 'chunk.subarray(given)'],
      ['received.bound();', ''],
      ['controller.enqueue(copyOf(chunk));', 'controller.enqueue(chunk);'],
      ['this.#received?.drop();', ''],
    ],
  },
  {
    kind: 'a socket as web streams',
    path: 'dist/src/adapters/web/writable-side.js',
    changes: [
      ['this.#next = null; this.#settle()?.resolve();', 'this.#settle()?.resolve();'],
      ['this.#early = null; this.#owner.aborted(reason);', 'this.#owner.aborted(reason);'],
      ['if (!error) this.#owner.finished();', ''],
    ],
  },
  {
    kind: 'a socket as web streams',
    path: 'dist/src/adapters/web/listener.js',
    changes: [
      ['this.#queue.closeWaiting();', ''],
      ['if (this.#listener.isOpen) return;', ''],
      ['else void value?.close();', ''],
      ['void clients.return();', ''],
      ['this.#abort?.end();', ''],
    ],
  },
];
