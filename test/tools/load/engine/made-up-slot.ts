/** A slot of the load client by hand, with a clock and a connection that are made up. */

import assert from 'node:assert/strict';
import { type Connection, SysError } from 'sockloop';
import { nativeSys } from '#src/sys/native.js';
import { sysError } from '#src/sys/sys-error.js';
import { ConnectionSlot, type SlotOwner } from '#tools/load/engine/connection-slot.js';
import { InFlightTimes } from '#tools/load/engine/in-flight.js';
import { Recorder } from '#tools/load/record/recorder.js';
import { MessagePool } from '#tools/load/traffic/message-pool.js';

/** The bytes of a message. */
export const BYTES = 10;

/** What the slot asks of a connection. */
class StandIn {
  data: ConnectionSlot | null = null;
  sent = Buffer.alloc(0);
  /** Bytes that the peer has not sent back yet. */
  owed = Buffer.alloc(0);
  readonly calls: string[] = [];

  write(bytes: Uint8Array, offset = 0, length = bytes.length): boolean {
    const piece = bytes.subarray(offset, offset + length);
    this.sent = Buffer.concat([this.sent, piece]);
    this.owed = Buffer.concat([this.owed, piece]);
    return true;
  }

  end(): void {
    this.calls.push('end');
  }

  reset(): void {
    this.calls.push('reset');
  }

  /** The slot takes it for a connection of the library. */
  get asConnection(): Connection<ConnectionSlot> {
    return this as unknown as Connection<ConnectionSlot>;
  }
}

interface Asked {
  readonly isOpen?: boolean;
  readonly inFlightMax?: number;
  readonly messagesPerConnection?: number;
  readonly serverCloses?: boolean;
  readonly flowing?: boolean;
  readonly isIdle?: boolean;
}

export function slotWith(asked: Asked = {}) {
  const { isOpen = false, inFlightMax = 1, isIdle = false } = asked;
  const pauses: number[] = [];
  const recorder = new Recorder(isOpen, BYTES, () => undefined);
  recorder.setWindow(1000, 100_000);
  const clock = { nowMs: 1000 };
  const owner: SlotOwner & { flowing: boolean } = {
    pool: new MessagePool({ kind: 'bytes', bytes: BYTES }, 'echo', 1),
    recorder,
    times: new InFlightTimes(2, inFlightMax),
    isOpen,
    inFlightMax,
    messagesPerConnection: asked.messagesPerConnection ?? Number.POSITIVE_INFINITY,
    serverCloses: asked.serverCloses ?? false,
    flowing: asked.flowing ?? true,
    owed: 0,
    open: 0,
    stamp: () => clock.nowMs,
    connect: (_slot, pauseMs) => void pauses.push(pauseMs),
  };
  const slot = new ConnectionSlot(owner, 3, isIdle);
  const open = (): StandIn => {
    const connection = new StandIn();
    slot.opened(connection.asConnection);
    return connection;
  };
  return { owner, recorder, clock, pauses, slot, open };
}

type Setup = ReturnType<typeof slotWith>;

/** The peer sends back the next `length` bytes of what it owes. */
export function reply({ slot }: Setup, connection: StandIn, length: number): void {
  const chunk = connection.owed.subarray(0, length);
  connection.owed = connection.owed.subarray(length);
  slot.received(chunk);
}

/** What went wrong in the measured time, by kind. */
export function troubleOf({ recorder }: Setup): Record<string, number> {
  const { errors, lost, replaced } = recorder.trouble;
  const named = [
    ...Object.entries(errors),
    ...Object.entries(lost).map(([kind, count]) => [`connection ${kind}`, count] as const),
    ['replaced', replaced] as const,
  ];
  return Object.fromEntries(named.filter(([, count]) => count > 0));
}

export function errorOf(code: string): SysError {
  const error = sysError(nativeSys(), -(nativeSys().abi.errno[code] ?? 0), 'recv', 'receive');
  assert.ok(error instanceof SysError);
  return error;
}
