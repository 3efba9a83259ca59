import type { ConnectSink, Handle } from '../../loop/backend.ts';
import type { Loop } from '../../loop/loop.ts';
import { encodeSockaddr, SOCKADDR_BYTES_MAX, type SocketAddress } from '../../sys/sockaddr.ts';

// Used within one call at a time; each thread has its own copy of this module.
const name = new Uint8Array(SOCKADDR_BYTES_MAX);

/** The attempt of a connector to reach one address. */
export class ConnectAttempt implements ConnectSink {
  readonly fd: number;
  readonly address: SocketAddress;
  readonly #outcome: AttemptOutcome;
  readonly #operation: Handle;

  /** Connects the new socket `fd`. */
  constructor(loop: Loop, address: SocketAddress, fd: number, outcome: AttemptOutcome) {
    this.fd = fd;
    this.address = address;
    this.#outcome = outcome;
    const length = encodeSockaddr(loop.sys.abi, address, name);
    this.#operation = loop.backend.connect(fd, name, length, this);
  }

  cancel(): void {
    this.#operation.close();
  }

  connected(): void {
    this.#outcome.connected(this);
  }

  failed(errno: number): void {
    this.#outcome.failed(this, errno);
  }

  closed(): void {
    // The connector has heard of the failure already.
  }
}

interface AttemptOutcome {
  connected(attempt: ConnectAttempt): void;
  failed(attempt: ConnectAttempt, errno: number): void;
}
