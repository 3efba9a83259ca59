import type { QueuedError } from '../../sys/control/message.ts';
import type { Subscription } from '../backend.ts';
import type { ReceivedDatagrams } from './received.ts';

// The part of the contract of a backend that is about datagrams. Beside the twelve laws of
// `backend.ts` seven more hold; the code cites them by number.
//
//  D1. A datagram is delivered whole, or counted as truncated and delivered as far as it has room.
//  D2. The order within a socket is the kernel's, and none is delivered twice.
//  D3. What the kernel drops for lack of room is counted where it tells: SO_RXQ_OVFL.
//  D4. A refused send is followed by one `drained`.
//  D5. EAGAIN and ENOBUFS are waited out.
//  D6. An error of one peer (ECONNREFUSED, EHOSTUNREACH, EMSGSIZE, EPERM) never ends the socket: it
//      is counted, and reported if that was asked for.
//  D7. The work of a turn is bounded: `limits.ts`.

/** What a socket of datagrams is like, and how much it may hold. */
export interface DatagramSettings {
  /** The longest datagram that is delivered whole, in bytes. */
  readonly bytesMax: number;
  /** The kernel joins datagrams: UDP_GRO. */
  readonly gro: boolean;
  /** Datagrams may be joined for the kernel to cut: UDP_SEGMENT. */
  readonly gso: boolean;
  /** The most bytes that wait to be sent. */
  readonly queuedBytesMax: number;
  /** The kernel has an error queue: IP_RECVERR. */
  readonly errorQueue: boolean;
  /** Records of a connection: SOCK_SEQPACKET. */
  readonly sequenced: boolean;
  /** Writability tells nothing of the receiver: an unconnected UNIX socket. */
  readonly unixPeers: boolean;
  /** A UNIX socket, to which peers may pass descriptors: they are closed. */
  readonly unix: boolean;
}

/** Hears of what happens on a socket of datagrams. */
export interface DatagramSink {
  /** One or more datagrams came. `received` is valid until the call returns. */
  received(received: ReceivedDatagrams): void;
  /** The queue is empty again after a send was refused: law D4. */
  drained(): void;
  /** An entry of the error queue: a peer that cannot be reached. */
  unreachable(report: UnreachableReport): void;
  /** The peer of a SOCK_SEQPACKET socket has ended the connection. */
  ended(): void;
  /** The socket is broken (`errno`, positive). Only `closed` follows. */
  failed(errno: number): void;
  /** The descriptor is closed. */
  closed(): void;
  /**
   * The kernel is short of memory, or the receiver of room, of which no event tells: `retry` is to
   * be called in `delayMs`. Also called inside of `send`.
   */
  resting(delayMs: number): void;
  /**
   * The next `datagrams` of those sent, in their order, have gone out, or were dropped because of
   * `errno` (positive). Also called inside of `send`. With this method an error of an earlier
   * datagram that a send returns drops the datagram of that send, as the kernel has it.
   */
  settled?(datagrams: number, errno: number): void;
  /** An error (positive) came back for a datagram that had gone out: law D6. */
  peerFailed?(errno: number): void;
}

/** An entry of the error queue. */
export interface UnreachableReport {
  /** The sockaddr that the datagram was sent to; empty if the kernel does not say. */
  readonly to: Uint8Array;
  readonly error: QueuedError;
}

/** A destination, or the address of a sender, as the kernel has it. */
export interface EncodedAddress {
  readonly sockaddr: Uint8Array;
}

/** Control messages to send with a datagram, laid out for the platform. */
export interface SendControl {
  readonly bytes: Uint8Array;
}

/** A socket of datagrams. */
export interface DatagramHandle extends Subscription {
  readonly counters: DatagramCounters;
  /** Bytes and datagrams that the kernel has not taken. Those sent in this turn count. */
  readonly queuedBytes: number;
  readonly queuedDatagrams: number;
  /**
   * Sends `length` bytes of `bytes` from `offset` on as one datagram, or cut into datagrams of
   * `segmentBytes` if that is not 0. The sends of a turn are gathered and made together.
   *
   * @param to where to, null for the peer of a connected socket.
   * @param control control messages for it, null for none.
   * @returns whether they were taken: all or none. After false, `drained` follows, unless the
   *   socket is closed or has failed.
   */
  send(
    bytes: Uint8Array,
    offset: number,
    length: number,
    to: EncodedAddress | null,
    control: SendControl | null,
    segmentBytes: number,
  ): boolean;
  /** The delay of `resting` has passed. */
  retry(): void;
  /** Makes the sends gathered so far, before the turn does. */
  flush(): void;
}

/** What a socket has done so far. */
export interface DatagramCounters {
  received: number;
  receivedBytes: number;
  /** Datagrams that were longer than `bytesMax`: law D1. */
  truncated: number;
  /** Datagrams whose control messages had no room. */
  controlTruncated: number;
  /** Descriptors that came with datagrams, and were closed. */
  descriptorsClosed: number;
  /** Datagrams that the kernel dropped because the socket was full: law D3. */
  droppedByKernel: number;
  sent: number;
  sentBytes: number;
  /** Sends that were not taken because the queue is full. */
  refused: number;
  /** Datagrams that the kernel did not send, by the name of the error. */
  readonly sendErrors: Record<string, number>;
  /** Errors that came back from peers or the network, by name: law D6. */
  readonly peerErrors: Record<string, number>;
}

/** Counters that are all 0. */
export function newDatagramCounters(): DatagramCounters {
  return {
    received: 0,
    receivedBytes: 0,
    truncated: 0,
    controlTruncated: 0,
    descriptorsClosed: 0,
    droppedByKernel: 0,
    sent: 0,
    sentBytes: 0,
    refused: 0,
    sendErrors: {},
    peerErrors: {},
  };
}
