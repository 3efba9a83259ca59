import { SimSys } from '#sim/sim-sys.js';
import { TimerHeap } from '#src/base/timer-heap.js';
import { TokenSlab } from '#src/base/token-slab.js';
import { BaseStream } from '#src/loop/base-stream.js';
import { ClosingList } from '#src/loop/closing-list.js';
import { GatheredSends } from '#src/loop/gathered-sends.js';
import { Outbox } from '#src/loop/outbox.js';
import { ReadyList } from '#src/poller/ready-list.js';
import { Registry } from '#src/poller/registry.js';
import { openRing } from '#src/ring/open-ring.js';
import { CallList, listBytes } from '#src/sys/batch/call-list.js';
import { makeCalls } from '#src/sys/batch/make-calls.js';
import { HastyRingBackend } from '#test/sim/loop/planted-bugs.js';
import { netBreaks } from './net-breaks.ts';

// Run by invariants.test.ts: breaks a state in each way that is looked for, and prints what came
// of it. SOCKLOOP_CHECKS is read at the start, so that this is a process of its own.

const entry = { deadlineMs: 1, sequence: 0, heapIndex: -1 };
const nothing = (): void => undefined;
const handle = (fd: number) => ({ fd, extraFds: [], dispose: nothing, closed: nothing });

const breaks: Readonly<Record<string, () => void>> = {
  ...netBreaks,
  'a queue sends more than it has': () => {
    const outbox = new Outbox();
    outbox.append(new Uint8Array(10), 0, 10);
    outbox.consume(11);
  },
  'bytes go ahead of a queue that was sent in part': () => {
    const outbox = new Outbox();
    outbox.append(new Uint8Array(10), 0, 10);
    outbox.consume(1);
    outbox.prepend(new Uint8Array(1));
  },
  'a queue counts bytes that it did not get': () => {
    new Outbox().append(new Uint8Array(10), 0, -1);
  },
  'an occupant has another token': () => {
    const slab = new TokenSlab<{ token: number }>();
    const occupant = { token: 0 };
    slab.allocate(occupant);
    occupant.token += 1;
    slab.allocate({ token: 0 });
  },
  'an occupant has two slots': () => {
    const slab = new TokenSlab<{ token: number }>();
    const occupant = { token: 0 };
    slab.allocate(occupant);
    slab.allocate(occupant);
  },
  'a timer is set twice': () => {
    const heap = new TimerHeap();
    heap.push({ ...entry, heapIndex: 0 });
  },
  'a deadline moves in the heap': () => {
    const heap = new TimerHeap();
    const first = { ...entry };
    heap.push(first);
    heap.push({ ...entry, deadlineMs: 2 });
    first.deadlineMs = 3;
    heap.push({ ...entry, deadlineMs: 4 });
  },
  'a timer forgets its place': () => {
    const heap = new TimerHeap();
    const first = { ...entry };
    heap.push(first);
    first.heapIndex = 7;
    heap.push({ ...entry, deadlineMs: 2 });
  },
  'a descriptor is closed twice': () => {
    const list = new ClosingList({ close: nothing, flush: nothing });
    list.add(handle(5));
    list.add(handle(5));
  },
  'a handle without a descriptor is closed': () => {
    new ClosingList({ close: nothing, flush: nothing }).add(handle(-1));
  },
  'a registration is ready twice': () => {
    const list = new ReadyList();
    for (const generation of [1, 2, 1]) list.add(5, generation, 1, 0);
    list.deliver(new Registry(), { ready: nothing });
  },
  'a buffer is given twice': () => {
    openRing(new SimSys({ seed: 1 })).buffers.give(3);
  },
  'a buffer comes twice': () => {
    const { buffers } = openRing(new SimSys({ seed: 1 }));
    buffers.chunk(3, 10);
    buffers.chunk(3, 10);
  },
  'a chunk is longer than its buffer': () => {
    openRing(new SimSys({ seed: 1 })).buffers.chunk(3, 65_537);
  },
  'a chunk is delivered inside of another one': () => {
    const memory = { bytes: new Uint8Array(100), countMax: 1, offset: () => 0, give: nothing };
    const sends = new GatheredSends(memory, 0);
    sends.borrow(0, memory.bytes);
    sends.borrow(0, memory.bytes);
  },
  'a list of calls is longer than its memory': () => {
    const sys = new SimSys({ seed: 1 });
    const calls = new CallList(sys, new Uint8Array(listBytes(1)), 1, true);
    for (const fd of [1000, 1001]) calls.close(fd);
    makeCalls(sys, calls, 0);
  },
  'a stream is closed that nobody removed': () => {
    const backend = new HastyRingBackend(new SimSys({ seed: 1 }));
    const ends = { received: nothing, ended: nothing, failed: nothing };
    const stream = backend.open(7, { ...ends, drained: nothing, closed: nothing });
    if (stream instanceof BaseStream) stream.closed();
  },
  'a handle goes with an operation in flight': () => {
    const sys = new SimSys({ seed: 1 });
    const { AF_INET, SOCK_STREAM } = sys.abi.constants;
    const fd = sys.socket(AF_INET, SOCK_STREAM, 0);
    sys.listen(fd, 1);
    const backend = new HastyRingBackend(sys);
    const sink = { accepted: nothing, exhausted: nothing, failed: nothing, closed: nothing };
    const acceptance = backend.accept(fd, sink);
    backend.poll(0);
    acceptance.close();
  },
};

const outcomes: Record<string, string | null> = {};
for (const [name, breakState] of Object.entries(breaks)) {
  outcomes[name] = null;
  try {
    breakState();
  } catch (error) {
    outcomes[name] = String(error);
  }
}
process.stdout.write(JSON.stringify(outcomes));
