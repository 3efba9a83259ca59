import type { Abi } from '#src/sys/abi/abi.js';
import {
  readBigUnsigned,
  readSigned,
  readUnsigned,
  writeBigUnsigned,
  writeInteger,
} from '#src/sys/struct.js';
import { OpenFile, Ready } from './open-file.ts';

/** One struct kevent, as numbers. */
export interface Kevent {
  ident: number;
  filter: number;
  flags: number;
  fflags: number;
  data: number;
  udata: bigint;
}

/** A list of struct kevent in the caller's memory. */
export class KeventList {
  readonly count: number;
  readonly #abi: Abi;
  readonly #view: DataView;

  constructor(abi: Abi, bytes: Uint8Array | null, count: number) {
    this.#abi = abi;
    this.count = bytes === null ? 0 : count;
    this.#view = new DataView(bytes?.buffer ?? new ArrayBuffer(0), bytes?.byteOffset ?? 0);
  }

  at(index: number): Kevent {
    const { size, fields } = this.#abi.structs.kevent;
    const base = index * size;
    return {
      ident: readUnsigned(this.#view, base, fields.ident),
      filter: readSigned(this.#view, base, fields.filter),
      flags: readUnsigned(this.#view, base, fields.flags),
      fflags: readUnsigned(this.#view, base, fields.fflags),
      data: readSigned(this.#view, base, fields.data),
      udata: readBigUnsigned(this.#view, base, fields.udata),
    };
  }

  put(index: number, event: Kevent): void {
    const { size, fields } = this.#abi.structs.kevent;
    const base = index * size;
    writeInteger(this.#view, base, fields.ident, event.ident);
    writeInteger(this.#view, base, fields.filter, event.filter);
    writeInteger(this.#view, base, fields.flags, event.flags);
    writeInteger(this.#view, base, fields.fflags, event.fflags);
    writeInteger(this.#view, base, fields.data, event.data);
    writeBigUnsigned(this.#view, base, fields.udata, event.udata);
  }
}

/** A kqueue(2) of any system. */
export abstract class KqueueFile extends OpenFile {
  readonly kind = 'kqueue';

  /** kevent(2) with a decoded timeout: Infinity waits for ever. */
  abstract kevent(changes: KeventList, events: KeventList, timeoutNs: number): number;

  override get spuriousBits(): number {
    return Ready.in;
  }
}
