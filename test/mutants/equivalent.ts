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
    'dist/tools/load/record/recorder.js: nowMs >= this.#intervalEndMs -> true',
    'the method that is called compares them itself: this saves a call for each message',
  ],
  [
    'dist/tools/load/traffic/message-pool.js: 65536 -> 65537',
    'the pool is about so long: what is sent and compared is as right with a byte more',
  ],
]);
