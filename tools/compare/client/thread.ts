import { nativeSys } from 'sockloop/sys';
import type {
  CompareAnswer,
  CompareCommand,
  CompareErrors,
  CompareTarget,
  CompareTask,
} from './messages.ts';
import { SlotGroup } from './slot-group.ts';

/**
 * The client of a comparison: groups of connections, one of them busy at a time. They share one
 * thread, and with it the code that V8 has compiled: no server meets a client that is still slow.
 */
export class CompareThread {
  readonly #sys = nativeSys();
  readonly #stop: Int32Array<SharedArrayBuffer>;
  readonly #groups = new Map<number, SlotGroup>();

  constructor({ memory }: CompareTask) {
    this.#stop = new Int32Array(memory);
  }

  /** Does what is asked for, and returns when it is done. */
  execute(command: Exclude<CompareCommand, { kind: 'end' }>): CompareAnswer {
    const { group } = command;
    switch (command.kind) {
      case 'connect':
        return this.#connect(group, command.to);
      case 'slice':
        return this.#slice(group, command.durationMs);
      case 'close':
        this.#groups.get(group)?.close();
        this.#groups.delete(group);
        return answer(group, { stopped: this.#stopped });
    }
  }

  close(): void {
    for (const group of this.#groups.values()) group.close();
    this.#groups.clear();
  }

  get #stopped(): boolean {
    return Atomics.load(this.#stop, 0) !== 0;
  }

  #connect(number: number, to: CompareTarget): CompareAnswer {
    const group = new SlotGroup(this.#sys, to, () => this.#stopped);
    this.#groups.set(number, group);
    const errors = group.connectAll();
    return answer(number, { open: group.open, errors, stopped: this.#stopped });
  }

  #slice(number: number, durationMs: number): CompareAnswer {
    const group = this.#groups.get(number);
    if (group === undefined) throw new RangeError(`there is no group ${number}`);
    const slice = group.slice(durationMs);
    return answer(number, { ...slice, open: group.open, stopped: this.#stopped });
  }
}

const UNDISTURBED = { clientWaitedMs: 0, clientOversleptMs: 0 };
const NO_ERRORS: CompareErrors = {};

function answer(group: number, facts: Partial<CompareAnswer>): CompareAnswer {
  const nothing = { messages: 0, elapsedMs: 0, p50Us: 0, p99Us: 0, ...UNDISTURBED };
  return { group, open: 0, errors: NO_ERRORS, stopped: false, ...nothing, ...facts };
}
