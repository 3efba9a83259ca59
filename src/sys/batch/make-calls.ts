import { checking, invariant } from '../../base/invariants.ts';
import { acceptStream } from '../descriptors.ts';
import { SOCKADDR_BYTES_MAX } from '../sockaddr.ts';
import type { Sys } from '../sys.ts';
import { Call, type CallList, RECORD_BYTES, RecordWord, STOP } from './call-list.ts';

// Used within one call at a time; each thread has its own copy of this module.
const address = new Uint8Array(SOCKADDR_BYTES_MAX);
const length = new Int32Array(1);

/**
 * Makes the calls of a list from the record `from` on: at once where `sys` can, else one by one, as
 * on platforms without machine code and with a Sys that shows, counts or simulates each call.
 *
 * Returns the index after the last record made: `calls.count`, or less if one stopped the list.
 */
export function makeCalls(sys: Sys, calls: CallList, from: number): number {
  const { count, address } = calls;
  if (checking) invariant(count <= calls.room, 'a list holds more calls than it has room for');
  if (address === 0) return makeOneByOne(sys, calls, from);
  return count - sys.batch(address + from * RECORD_BYTES, count - from);
}

function makeOneByOne(sys: Sys, calls: CallList, from: number): number {
  for (let index = from; index < calls.count; index++) {
    // The expected result is where the result comes.
    const expected = calls.result(index);
    const result = make(sys, calls, index);
    calls.setResult(index, result);
    const stops = (calls.word(index, RecordWord.call) & STOP) !== 0;
    if (stops && result !== expected) return index + 1;
  }
  return calls.count;
}

function make(sys: Sys, calls: CallList, index: number): number {
  const fd = calls.word(index, RecordWord.argument1);
  const third = calls.word(index, RecordWord.argument3);
  switch (calls.call(index)) {
    case Call.send: {
      const flags = calls.word(index, RecordWord.argument4);
      return sys.send(fd, calls.memory, calls.offset(index), third, flags);
    }
    case Call.recv:
      return sys.recv(fd, calls.memory, calls.offset(index), third, 0);
    case Call.accept:
      length[0] = address.length;
      return acceptStream(sys, fd, address, length, true);
    case Call.shutdown:
      return sys.shutdown(fd, calls.word(index, RecordWord.argument2));
    case Call.close:
      return sys.close(fd);
    case Call.epollControl: {
      const at = calls.eventOffset(index);
      const event = calls.memory.subarray(at, at + 16);
      return sys.epoll_ctl(fd, calls.word(index, RecordWord.argument2), third, event);
    }
    default:
      return 0;
  }
}
