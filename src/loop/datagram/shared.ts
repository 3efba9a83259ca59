import type { Abi } from '../../sys/abi/abi.ts';
import { ControlReader } from '../../sys/control/reader.ts';
import type { Sys } from '../../sys/sys.ts';
import { DATAGRAM_BYTES } from '../limits.ts';
import { MessageCalls } from './message-calls.ts';
import { ReceiveSlots } from './receive-slots.ts';
import { DatagramSends } from './sends.ts';

/** What the sockets of datagrams of a loop share. The memory is allocated by the first receive. */
export class SharedDatagrams {
  readonly abi: Abi;
  readonly calls: MessageCalls;
  readonly control: ControlReader;
  readonly sends = new DatagramSends();
  readonly sys: Sys;
  /** The memory of the slots: null until the first receive, which uses it if it is there. */
  memory: Uint8Array | null = null;
  #slots: ReceiveSlots | null = null;

  constructor(sys: Sys) {
    this.sys = sys;
    this.abi = sys.abi;
    this.calls = new MessageCalls(sys);
    this.control = new ControlReader(sys.abi);
  }

  /** The memory to receive datagrams of `bytesMax` into: longer ones than UDP's have their own. */
  slotsFor(bytesMax: number): ReceiveSlots {
    if (bytesMax > DATAGRAM_BYTES) return new ReceiveSlots(this.sys, this.calls, bytesMax);
    this.#slots ??= new ReceiveSlots(this.sys, this.calls, DATAGRAM_BYTES, this.memory);
    this.memory = this.#slots.memory;
    return this.#slots;
  }
}
