import type { Acceptance, AcceptSink } from '../../loop/backend.ts';
import type { Loop } from '../../loop/loop.ts';
import { prepareInherited } from '../../socket/inherited.ts';
import type { SocketAddress } from '../../sys/sockaddr.ts';
import { inheritedBy } from './inherited.ts';
import type { ConnectionSource } from './listening-socket.ts';

/** Several sockets that listen already, all of TCP or all of UNIX, as one listener. */
export class JoinedSockets implements ConnectionSource {
  readonly address: SocketAddress;
  readonly #fds: readonly number[];

  /** `address` is that of the first of `fds`, which the listener will own. */
  constructor(fds: readonly number[], address: SocketAddress) {
    this.#fds = fds;
    this.address = address;
  }

  subscribe(loop: Loop, sink: AcceptSink): Acceptance {
    const { address } = this;
    for (const fd of this.#fds) {
      const { family } = inheritedBy(loop, fd, 'listen on');
      if ((family === 'UNIX') !== (address.family === 'UNIX')) {
        throw new RangeError('a listener is of TCP or of UNIX sockets, not of both');
      }
    }
    for (const fd of this.#fds) {
      prepareInherited(loop.sys, fd, 'listen on', address.family !== 'UNIX');
    }
    let open = this.#fds.length;
    const closed = (): void => {
      open -= 1;
      if (open === 0) sink.closed();
    };
    const part: AcceptSink = {
      accepted: (fd) => sink.accepted(fd),
      exhausted: (errno, shed) => sink.exhausted(errno, shed),
      failed: (errno) => sink.failed(errno),
      closed,
    };
    return new JoinedAcceptance(this.#fds.map((fd) => loop.backend.accept(fd, part, true)));
  }
}

class JoinedAcceptance implements Acceptance {
  readonly #parts: readonly Acceptance[];

  constructor(parts: readonly Acceptance[]) {
    this.#parts = parts;
  }

  get fd(): number {
    return this.#parts[0]?.fd ?? -1;
  }

  pause(): void {
    for (const part of this.#parts) part.pause();
  }

  resume(): void {
    for (const part of this.#parts) part.resume();
  }

  retire(): void {
    for (const part of this.#parts) part.retire();
  }

  close(): void {
    for (const part of this.#parts) part.close();
  }
}
