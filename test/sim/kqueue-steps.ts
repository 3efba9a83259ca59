import { readSigned, readUnsigned, writeInteger } from '#src/sys/struct.js';
import type { Arm } from './arm.ts';

type FilterName = 'READ' | 'WRITE' | 'USER';
type FlagName = 'ADD' | 'DELETE' | 'ENABLE' | 'DISABLE' | 'CLEAR' | 'ONESHOT' | 'RECEIPT';

/** One change: a descriptor (or the ident of a USER event), a filter, flags without their EV_. */
export type Change = readonly [ident: number, filter: FilterName, ...flags: FlagName[]];

/**
 * A kqueue on one arm of a comparison. Events are written as `name READ ADD|EOF errno data`, where
 * the names are those of `names`.
 */
export class KqueueSteps {
  readonly kq: number;
  readonly names = new Map<number, string>();
  readonly #arm: Arm;
  /** True if `data` is compared: its meaning differs between systems. */
  readonly #showsData: boolean;

  constructor(arm: Arm, showsData = true) {
    this.#arm = arm;
    this.#showsData = showsData;
    this.kq = arm.own(arm.sys.kqueue());
  }

  #encode(changes: readonly Change[], fflags: number): Uint8Array {
    const { constants, structs } = this.#arm.sys.abi;
    const { size, fields } = structs.kevent;
    const bytes = new Uint8Array(size * changes.length);
    const view = new DataView(bytes.buffer);
    for (const [index, [ident, filter, ...flags]] of changes.entries()) {
      const base = index * size;
      const bits = flags.reduce((sum, flag) => sum | constants[`EV_${flag}`], 0);
      writeInteger(view, base, fields.ident, ident);
      writeInteger(view, base, fields.filter, constants[`EVFILT_${filter}`]);
      writeInteger(view, base, fields.flags, bits);
      writeInteger(view, base, fields.fflags, fflags);
    }
    return bytes;
  }

  /** Records the result of a call with changes alone. */
  change(what: string, ...changes: Change[]): void {
    const bytes = this.#encode(changes, 0);
    this.#arm.note(what, this.#arm.sys.kevent(this.kq, bytes, changes.length, null, 0, null));
  }

  /** Triggers a USER event. */
  trigger(what: string, ident: number, ...flags: FlagName[]): void {
    const bytes = this.#encode(
      [[ident, 'USER', ...flags]],
      this.#arm.sys.abi.constants.NOTE_TRIGGER,
    );
    this.#arm.note(what, this.#arm.sys.kevent(this.kq, bytes, 1, null, 0, null));
  }

  /** Records the result of a call with changes and `slots` for events, without waiting. */
  both(what: string, slots: number, ...changes: Change[]): void {
    const { structs } = this.#arm.sys.abi;
    const events = new Uint8Array(structs.kevent.size * slots);
    const zero = new Uint8Array(structs.timespec.size);
    const bytes = this.#encode(changes, 0);
    const { sys } = this.#arm;
    const count = sys.kevent(this.kq, bytes, changes.length, events, slots, zero);
    this.#arm.note(what, count < 0 ? count : `${count} ${this.#decode(events, count)}`.trim());
  }

  /** Records the ready events. */
  events(what: string, slots = 8): void {
    this.both(what, slots);
  }

  #decode(bytes: Uint8Array, count: number): string {
    const { constants, structs, errno } = this.#arm.sys.abi;
    const { size, fields } = structs.kevent;
    const view = new DataView(bytes.buffer);
    const found: string[] = [];
    for (let index = 0; index < count; index += 1) {
      const base = index * size;
      const ident = readUnsigned(view, base, fields.ident);
      const number = readSigned(view, base, fields.filter);
      const flags = readUnsigned(view, base, fields.flags);
      const fflags = readUnsigned(view, base, fields.fflags);
      const data = readSigned(view, base, fields.data);
      const filters = ['READ', 'WRITE', 'USER'] as const;
      const filter = filters.find((name) => constants[`EVFILT_${name}`] === number) ?? '?';
      const ends = (flags & constants.EV_EOF) === 0 ? '' : ' EOF';
      const failed = (flags & constants.EV_ERROR) !== 0;
      const refused = failed ? ` ERROR ${nameOf(errno, data)}` : '';
      const error = fflags === 0 ? '' : ` ${nameOf(errno, fflags)}`;
      const shown = this.#showsData && !failed ? ` ${data}` : '';
      found.push(`${this.names.get(ident) ?? ident} ${filter}${ends}${refused}${error}${shown}`);
    }
    return found.sort().join(', ');
  }
}

function nameOf(errno: Readonly<Record<string, number>>, number: number): string {
  return Object.keys(errno).find((name) => errno[name] === number) ?? String(number);
}
