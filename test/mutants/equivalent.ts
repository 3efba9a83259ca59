/**
 * Mutants that no test can find, each with the reason why the program does the same: they are not
 * drawn, nor planted.
 */
export const EQUIVALENT: ReadonlyMap<string, string> = new Map([
  [
    'dist/src/poller/poll.js: this.#halves[2 * at + this.#revents] = 0; -> ;',
    'poll(2) writes the field of every entry before it is read: it is tidy, no more',
  ],
  [
    'dist/src/poller/wakers.js: triggers.set(abi, trigger); -> ;',
    'the event is a cache: it is made anew each time, and is the same',
  ],
  [
    'dist/src/poller/epoll.js: interest === Interest.none || !this.registry.isEdge(fd) -> ' +
      'interest === Interest.none',
    'a level is told again in any case: the line saves a call for each',
  ],
  [
    'dist/src/poller/kqueue.js: if (!this.#broken.delete(fd)) this.#apply -> ' +
      'this.#broken.delete(fd); this.#apply',
    'the filter was never added: the kernel answers ENOENT, which does not matter',
  ],
  [
    "dist/src/service/successor.js: clearTimeout(this.#late); this.#child.kill('SIGTERM'); -> " +
      "this.#child.kill('SIGTERM');",
    'a second reason does not count, and the end of the process clears the timer as well',
  ],
  [
    'dist/src/net/tls/tls-connector.js: if (this.#over) return; this.#end(); this.#loop -> ' +
      'this.#end(); this.#loop',
    'a handshake that was cancelled tells of no failure',
  ],
  [
    'dist/src/net/tls/tls-stream-connection.js: lingerMs > 0 || this.queuedBytes === 0 -> true',
    'close_notify would stand in the queue behind what is dropped, and be dropped with it',
  ],
  [
    'dist/src/net/tls/tls-stream-connection.js: this.#timer = null; this.#chunks.length = 0; -> ' +
      'this.#timer = null;',
    'nothing is delivered once it closes: the memory is free a little sooner',
  ],
  [
    'dist/src/net/tls/tls-stream-connection.js: this.#transport.taken = true; -> ',
    'it saves the question for the queue, which has the same answer',
  ],
  [
    'dist/src/net/tls/tls-stream-connection.js: this.#timer?.cancel(); this.#timer = null; ' +
      'this.#sink.secured -> this.#sink.secured',
    'the timer looks whether the handshake is done, and is cancelled with the connection',
  ],
  [
    'dist/src/adapters/web/socket-streams.js: byReset || connection.queuedBytes > 0 -> byReset',
    'what is queued is of a write under way, which makes it a reset',
  ],
  [
    'dist/src/adapters/web/socket-streams.js: const isCut = this.writable.isBusy; ' +
      'this.writable.fail(why); -> this.writable.fail(why); const isCut = this.writable.isBusy;',
    'a write under way has bytes in the queue, which make it a reset',
  ],
  [
    'dist/src/adapters/net/socket.js: this.#paused = false; this.connection?.resume(); -> ' +
      'this.connection?.resume();',
    'a connection that is resumed again goes on: it costs a call for each read',
  ],
  [
    'dist/src/adapters/net/socket.js: if (this.destroyed) return; if (!this.isPaused()) -> ' +
      'if (!this.isPaused())',
    'a stream that is destroyed reads nothing, and a closed connection is not paused',
  ],
  [
    'dist/tools/load/record/collection.js: number >= index -> number > index',
    'a thread tells a second once: what all have told is complete',
  ],
  [
    'dist/tools/load/record/recorder.js: nowMs >= this.#intervalEndMs -> true',
    'the method that is called compares them itself: this saves a call for each message',
  ],
  [
    'dist/tools/load/traffic/message-pool.js: 65536 -> 65537',
    'the pool is about so long: what is sent and compared is as right with a byte more',
  ],
]);
