import { openRing } from '#src/ring/open-ring.js';
import { encodeSockaddr, type SocketAddress } from '#src/sys/sockaddr.js';
import type { Arm } from '../arm.ts';
import type { Scenario } from './connections.ts';

/** Small enough that a few operations fill the queues. */
const SIZES = [{ submissions: 4, completions: 8 }];
/** A completion that is due comes in this time; the real kernel is asked again if it does not. */
const WAIT_MS = 500;

type Opened = ReturnType<typeof openRing>;

/** Operations of a scenario, as its record names them. */
const KINDS = ['accept', 'receive', 'send', 'connect', 'poll', 'timeout', 'cancel'] as const;
type Kind = (typeof KINDS)[number];

function kind(name: Kind): number {
  return KINDS.indexOf(name) + 1;
}

/** A ring, and a record of its completions. */
class RingArm {
  readonly arm: Arm;
  readonly ring: Opened['ring'];
  readonly buffers: Opened['buffers'];
  readonly #completions;
  /** Descriptors that were accepted, and buffers that were received into. */
  readonly accepted: number[] = [];
  readonly received: number[] = [];

  constructor(arm: Arm) {
    this.arm = arm;
    const { ring, buffers } = openRing(arm.sys, SIZES);
    this.ring = ring;
    this.buffers = buffers;
    this.#completions = ring.completions();
  }

  get submission(): Opened['ring']['submission'] {
    return this.ring.submission;
  }

  /** Submits, waits for `count` completions and records them. */
  take(what: string, count: number): void {
    const seen: string[] = [];
    for (let tries = 0; tries < 10 && seen.length < count; tries += 1) {
      this.ring.enter(seen.length < count ? WAIT_MS : 0);
      this.#collect(seen);
    }
    this.arm.note(what, seen.join(', ') || 'nothing');
  }

  /** Submits without waiting, and records what is there. */
  takeNow(what: string): void {
    const seen: string[] = [];
    this.arm.deliverAll();
    this.ring.enter(0);
    this.#collect(seen);
    this.arm.note(what, seen.join(', ') || 'nothing');
  }

  #collect(seen: string[]): void {
    const completions = this.#completions;
    completions.rewind();
    while (completions.next()) {
      const { kind: number, result, more } = completions;
      const name = KINDS[number - 1] ?? 'none';
      let shown = this.arm.name(result);
      if (name === 'accept' && result >= 0) {
        shown = 'fd';
        this.accepted.push(this.arm.own(result));
      }
      if (name === 'receive' && result > 0) {
        const { buffer } = completions;
        this.received.push(buffer);
        const text = new TextDecoder().decode(this.buffers.chunk(buffer, Math.min(result, 16)));
        shown = `${result} of "${text}"`;
      }
      seen.push(`${name} ${shown}${more ? ' and more' : ''}`);
    }
    completions.release();
  }

  /** Puts `text` into the memory of small sends. Returns its offset in the region. */
  staged(text: string, at = 0): number {
    const bytes = new TextEncoder().encode(text);
    const start = this.buffers.offset(0) - STAGING_BYTES + at;
    this.ring.region.bytes.set(bytes, start);
    return start;
  }

  close(): void {
    for (const fd of this.accepted) this.arm.close(fd);
    this.ring.close();
  }
}

/** The memory of small sends lies right before the buffers. */
const STAGING_BYTES = 262_144;

/** Runs steps with a ring, which is closed in any case. */
function withRing(steps: (ring: RingArm, arm: Arm) => void): Scenario {
  return (arm) => {
    const ring = new RingArm(arm);
    try {
      steps(ring, arm);
    } finally {
      ring.close();
    }
  };
}

function connectTo(ring: RingArm, fd: number, address: SocketAddress): boolean {
  const bytes = new Uint8Array(128);
  const length = encodeSockaddr(ring.arm.sys.abi, address, bytes);
  return ring.submission.connect(fd, bytes.subarray(0, length), 1, kind('connect'));
}

const accepts = withRing((ring, arm) => {
  const { fd, address } = arm.listener();
  ring.submission.accept(fd, 1, kind('accept'), true);
  ring.takeNow('nobody connects');
  arm.connect(arm.socket(), address);
  ring.take('one connects', 1);
  arm.connect(arm.socket(), address);
  arm.connect(arm.socket(), address);
  ring.take('two connect', 2);
  ring.submission.cancel(1, kind('accept'), kind('cancel'));
  ring.take('cancelled', 1);
  ring.submission.cancel(1, kind('accept'), kind('cancel'));
  ring.take('cancelled again', 1);
  ring.submission.accept(fd, 2, kind('accept'), false);
  arm.connect(arm.socket(), address);
  ring.take('a single one', 1);
  ring.submission.accept(arm.socket(), 3, kind('accept'), true);
  ring.take('of no listener', 1);
  ring.submission.accept(9999, 4, kind('accept'), true);
  ring.take('of no descriptor', 1);
});

const connects = withRing((ring, arm) => {
  const { fd, address } = arm.listener();
  connectTo(ring, arm.socket(), address);
  ring.take('connected', 1);
  arm.close(fd);
  connectTo(ring, arm.socket(), address);
  ring.take('refused', 1);
  connectTo(ring, arm.socket('UNIX'), { family: 'UNIX', path: arm.path('nobody') });
  ring.take('no such name', 1);
  connectTo(ring, arm.socket('IPv6'), address);
  ring.take('of another family', 1);
});

const receives = withRing((ring, arm) => {
  const [left, right] = arm.tcpPair();
  ring.submission.receive(left, 1, kind('receive'), false);
  ring.takeNow('nothing is sent');
  arm.send(right, 'one');
  ring.take('a single one', 1);
  arm.send(right, 'two');
  ring.takeNow('it has ended');
  ring.submission.receive(left, 1, kind('receive'), true);
  ring.take('bytes wait', 1);
  arm.send(right, 'three');
  ring.take('a multishot one goes on', 1);
  ring.submission.cancel(1, kind('receive'), kind('cancel'));
  ring.take('cancelled', 1);
  arm.send(right, 'four');
  ring.submission.receive(left, 1, kind('receive'), true);
  arm.shutdown(right, 'SHUT_WR');
  ring.take('bytes and the end', 2);
  ring.submission.receive(left, 1, kind('receive'), true);
  ring.take('the end again', 1);
  ring.submission.receive(arm.pipe()[0], 2, kind('receive'), true);
  ring.take('of a pipe', 1);
});

const buffers = withRing((ring, arm) => {
  const [left, right] = arm.unixPair();
  for (let taken = 0; taken < 64; taken += 1) {
    arm.send(right, 'a');
    ring.submission.receive(left, 1, kind('receive'), false);
    ring.ring.enter(WAIT_MS);
    const completions = ring.ring.completions();
    completions.rewind();
    if (!completions.next() || completions.result !== 1) arm.note('a receive failed', taken);
    else ring.buffers.chunk(completions.buffer, 1);
    completions.release();
  }
  ring.submission.receive(left, 1, kind('receive'), false);
  ring.take('no buffer, and nothing to receive', 1);
  arm.send(right, 'more');
  ring.submission.receive(left, 1, kind('receive'), true);
  ring.take('no buffer', 1);
  ring.buffers.give(5);
  ring.buffers.publish();
  ring.submission.receive(left, 1, kind('receive'), true);
  ring.take('one buffer', 1);
  arm.note('it is that one', ring.received.at(-1) ?? -1);
  arm.send(right, 'again');
  ring.take('none is left', 1);
});

const sends = withRing((ring, arm) => {
  const [left, right] = arm.tcpPair();
  ring.submission.sendNow(left, ring.staged('hello'), 5, 1, kind('send'));
  ring.takeNow('all of it');
  arm.note('arrived', arm.recv(right));
  arm.fill(left);
  ring.submission.sendNow(left, ring.staged('hello'), 5, 1, kind('send'));
  ring.take('no room', 1);
  ring.submission.send(left, ring.ring.region.address + ring.staged('late!'), 5, 1, kind('send'));
  ring.takeNow('it waits for room');
  arm.drain(right);
  ring.take('there is room', 1);
  ring.submission.send(left, ring.ring.region.address + ring.staged('late!'), 5, 1, kind('send'));
  ring.take('at once', 1);
  arm.close(right);
  ring.submission.sendNow(left, ring.staged('a'), 1, 1, kind('send'));
  ring.takeNow('the first that the peer has not read');
  arm.deliverAll();
  ring.submission.sendNow(left, ring.staged('a'), 1, 1, kind('send'));
  ring.take('to a peer that has gone', 1);
  arm.note('signals', 'none');
});

const polls = withRing((ring, arm) => {
  const { POLLIN, POLLOUT } = arm.sys.abi.constants;
  const [left, right] = arm.unixPair();
  ring.submission.poll(left, POLLOUT, 1, kind('poll'));
  ring.take('writable', 1);
  ring.submission.poll(left, POLLIN, 1, kind('poll'));
  ring.takeNow('nothing to read');
  arm.send(right, 'a');
  ring.take('readable', 1);
  arm.send(right, 'b');
  ring.takeNow('it was told once');
  ring.submission.poll(left, POLLIN, 1, kind('poll'));
  arm.recv(left);
  ring.take('readable at once', 1);
  arm.close(right);
  ring.submission.poll(left, POLLIN, 1, kind('poll'));
  ring.take('hung up', 1);
  ring.submission.poll(9999, POLLIN, 1, kind('poll'));
  ring.take('no descriptor', 1);
  const [reader] = arm.pipe();
  ring.submission.poll(reader, POLLIN, 2, kind('poll'));
  ring.takeNow('a pipe');
  ring.submission.poll(reader, POLLIN, 3, kind('poll'));
  ring.submission.cancelAll(kind('cancel'));
  ring.take('all are cancelled', 3);
});

const timeouts = withRing((ring, arm) => {
  ring.submission.periodicTimeout(20, kind('timeout'));
  ring.take('it expires', 1);
  ring.take('and again', 1);
  ring.submission.cancel(0, kind('timeout'), kind('cancel'));
  ring.take('cancelled', 1);
  const before = arm.sys.monotonicMs();
  ring.ring.enter(20);
  arm.note('a wait has its time', arm.sys.monotonicMs() - before >= 20);
});

const overflow = withRing((ring, arm) => {
  for (let count = 0; count < 12; count += 1) {
    ring.submission.poll(9999, 1, count, kind('poll'));
    if (count % 4 === 3) arm.note('submitted', ring.ring.submit());
  }
  arm.note('held back', ring.ring.overflowed);
  ring.takeNow('eight fit');
  arm.note('still held back', ring.ring.overflowed);
  ring.takeNow('the others');
  arm.note('none is held back', ring.ring.overflowed);
});

export const ringScenarios: Readonly<Record<string, Scenario>> = {
  'rings: accept': accepts,
  'rings: connect': connects,
  'rings: receive': receives,
  'rings: buffers run out': buffers,
  'rings: send': sends,
  'rings: poll': polls,
  'rings: timeouts': timeouts,
  'rings: overflow': overflow,
};
