import type { Abi } from '#src/sys/abi/abi.js';
import { Call, RECORD_BYTES, RecordWord } from '#src/sys/batch/call-list.js';
import { arm64Numbers, x64Numbers } from '#src/sys/batch/call-numbers.js';
import { type KnownMemory, memoryFault } from './known-memory.ts';
import { POISON } from './poison.ts';

const TIMESPEC_BYTES = 16;

/** What a record has, as numbers. */
class RecordReader {
  readonly #view: DataView;

  constructor(memory: Uint8Array, index: number) {
    const at = memory.byteOffset + index * RECORD_BYTES;
    this.#view = new DataView(memory.buffer, at, RECORD_BYTES);
  }

  word(word: number): number {
    return this.#view.getInt32(word * 4, true);
  }

  address(word: number): number {
    return Number(this.#view.getBigUint64(word * 4, true));
  }
}

/** Checks the records of `Sys.batch`, and poisons what they receive into. */
export class BatchCheck {
  readonly #abi: Abi;
  readonly #known: KnownMemory;

  constructor(abi: Abi, known: KnownMemory) {
    this.#abi = abi;
    this.#known = known;
  }

  check(records: number, count: number): void {
    const memory = this.#known.bytes(records, count * RECORD_BYTES, 'the records of a batch');
    const sends: (readonly [start: number, end: number])[] = [];
    for (let index = 0; index < count; index += 1) {
      this.#checkRecord(new RecordReader(memory, index), sends);
    }
  }

  #checkRecord(record: RecordReader, sends: (readonly [number, number])[]): void {
    const number = record.word(RecordWord.number);
    const call = record.word(RecordWord.call) >> 1;
    const fd = record.word(RecordWord.argument1);
    const at = record.address(RecordWord.argument2);
    const length = record.word(RecordWord.argument3);
    const numbers = this.#abi.platform === 'linux-arm64' ? arm64Numbers : x64Numbers;
    if (call !== Call.none && call !== Call.wait && fd < 0) memoryFault(`a batch calls ${fd}`);
    switch (number) {
      case numbers.sendto:
        this.#known.require(at, length, 'a send of a batch');
        sends.push([at, at + length]);
        break;
      case numbers.recvfrom: {
        const bytes = this.#known.bytes(at, length, 'a receive of a batch');
        const isSent = sends.some(([start, end]) => at < end && at + length > start);
        if (!isSent) bytes.fill(POISON);
        break;
      }
      case numbers.accept4:
        if (at !== 0) memoryFault('an accept of a batch has an address');
        break;
      case numbers.epoll_ctl: {
        const event = record.address(RecordWord.argument4);
        this.#known.require(event, this.#abi.structs.epoll_event?.size ?? 0, 'an epoll_event');
        break;
      }
      case numbers.epoll_pwait:
        this.#require(at, length * (this.#abi.structs.epoll_event?.size ?? 0), 'epoll events');
        break;
      case numbers.ppoll:
        this.#checkPoll(record);
        break;
      case numbers.pselect6:
        this.#checkSelect(record);
        break;
      case numbers.shutdown:
      case numbers.close:
        break;
      default:
        memoryFault(`a batch makes the call of number ${number}`);
    }
  }

  #require(at: number, length: number, what: string): void {
    if (length > 0) this.#known.require(at, length, what);
  }

  #checkPoll(record: RecordReader): void {
    const fds = record.address(RecordWord.argument1);
    const count = record.word(RecordWord.argument2);
    this.#require(fds, count * this.#abi.structs.pollfd.size, 'the pollfds of a batch');
    this.#checkTimeout(record.address(RecordWord.argument3));
  }

  #checkSelect(record: RecordReader): void {
    const setBytes = Math.ceil(record.word(RecordWord.argument1) / 64) * 8;
    for (const set of [RecordWord.argument2, RecordWord.argument3]) {
      const at = record.address(set);
      if (at !== 0) this.#require(at, setBytes, 'a set of select');
    }
    this.#checkTimeout(record.address(RecordWord.argument5));
  }

  #checkTimeout(at: number): void {
    if (at !== 0) this.#require(at, TIMESPEC_BYTES, 'the timeout of a batch');
  }
}
