import { ownBuffer } from '../../base/owned-chunks.ts';
import type {
  DatagramHandle,
  DatagramSettings,
  DatagramSink,
} from '../../loop/datagram/contract.ts';
import type { ReceivedDatagrams } from '../../loop/datagram/received.ts';
import type { Loop } from '../../loop/loop.ts';
import { runNextTicks } from '../../loop/runtime/node-runtime.ts';
import type { Timer } from '../../loop/timers.ts';
import { AddressTable } from '../../net/datagram/address-table.ts';
import type { RemoteInfo } from './options.ts';
import { Sends } from './sends.ts';

/** The socket of node:dgram above. */
interface Receiver {
  /** A datagram came. What it throws is an uncaught exception. */
  received(message: Buffer, info: RemoteInfo): void;
  /** An error of an earlier send came back, or the socket is broken. */
  failed(errno: number): void;
  /** The descriptor is closed. */
  closed(): void;
}

const SETTINGS: DatagramSettings = {
  bytesMax: 65_535,
  gro: false,
  gso: true,
  queuedBytesMax: 1_048_576,
  errorQueue: false,
  sequenced: false,
  unixPeers: false,
  unix: false,
};

/** A datagram that waits for its turn: another message of its batch has thrown. */
interface Message {
  readonly bytes: Buffer;
  readonly info: RemoteInfo;
}

/** A bound socket on a loop: what a socket of node:dgram sends by, and hears of. */
export class BoundSocket implements DatagramSink {
  readonly sends: Sends;
  readonly #loop: Loop;
  readonly #receiver: Receiver;
  readonly #handle: DatagramHandle;
  readonly #addresses: AddressTable;
  #timer: Timer | null = null;
  readonly #late: Message[] = [];
  #isClosed = false;

  /** The loop owns `fd` from now on. */
  constructor(loop: Loop, fd: number, receiver: Receiver) {
    this.#loop = loop;
    this.#receiver = receiver;
    this.#addresses = new AddressTable(loop.sys.abi);
    this.sends = new Sends(loop.sys.abi, () => this.#handle);
    this.#handle = loop.backend.datagrams(fd, this, SETTINGS);
    loop.begin('receive datagrams');
  }

  get fd(): number {
    return this.#handle.fd;
  }

  /** Makes the sends of this tick. */
  flush(): void {
    this.#handle.flush();
  }

  received(received: ReceivedDatagrams): void {
    if (this.#late.length > 0) {
      this.#keep(received, 0);
      this.#deliverLate();
      return;
    }
    for (let index = 0; index < received.length && !this.#isClosed; index++) {
      try {
        this.#deliver(this.#messageAt(received, index));
      } catch (error) {
        // It leaves the turn for Node, as an uncaught exception, and would take the rest along.
        this.#keep(received, index + 1);
        if (this.#late.length > 0) this.#loop.defer(() => this.#deliverLate());
        throw error;
      }
    }
  }

  #keep(received: ReceivedDatagrams, from: number): void {
    for (let index = from; index < received.length; index++) {
      this.#late.push(this.#messageAt(received, index));
    }
  }

  #messageAt(received: ReceivedDatagrams, index: number): Message {
    const nameAt = received.namesAt[index] ?? 0;
    const nameLength = received.nameLengths[index] ?? 0;
    const from = this.#addresses.find(received.memory, received.words, nameAt, nameLength);
    const bytes = ownBuffer(received.view(index));
    const { host: address, family, port } = from;
    return {
      bytes,
      info: { address, family: family as 'IPv4', port, size: bytes.length },
    };
  }

  /** As Node does, runs what a message leaves to ticks and promise jobs before the next one. */
  #deliver({ bytes, info }: Message): void {
    this.#receiver.received(bytes, info);
    runNextTicks?.();
  }

  #deliverLate(): void {
    for (let next = this.#late.shift(); next !== undefined; next = this.#late.shift()) {
      if (this.#isClosed) return;
      if (this.#late.length > 0) this.#loop.defer(() => this.#deliverLate());
      this.#deliver(next);
    }
  }

  settled(datagrams: number, errno: number): void {
    this.sends.settled(datagrams, errno);
  }

  drained(): void {
    this.sends.drained();
  }

  peerFailed(errno: number): void {
    this.#receiver.failed(errno);
  }

  failed(errno: number): void {
    this.#receiver.failed(errno);
  }

  unreachable(): void {
    // Not asked for.
  }

  ended(): void {
    // Of SOCK_SEQPACKET alone.
  }

  resting(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#loop.setTimer(delayMs, () => {
      this.#timer = null;
      this.#handle.retry();
    });
  }

  closed(): void {
    this.#end();
    this.#receiver.closed();
  }

  /** Closes the descriptor. What was sent in this turn goes out. */
  close(): void {
    this.#handle.close();
    this.#end();
  }

  #end(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#timer = null;
    this.sends.end();
  }
}
