import { Random } from '#src/base/random.js';

/**
 * The faults, each with the highest probability that a seed draws for it. A real kernel may do all
 * of them at any time, so correct code survives them.
 *
 * - partialSend: send(2) or write(2) takes fewer bytes than there is room for, and no edge follows.
 * - shortReceive: recv(2) or read(2) gives fewer bytes than there are.
 * - falseEagain: a call on a ready non-blocking descriptor says EAGAIN, and no edge follows.
 * - interrupt: a call that would wait ends with EINTR, now or later.
 * - interruptedClose: close(2) says EINTR; the descriptor is gone all the same.
 * - spuriousReadiness: a descriptor is reported ready and is not.
 * - hiddenReadiness: a ready descriptor is not reported for a while.
 * - shuffledEvents: epoll_wait(2) and kevent(2) report in another order.
 * - connectionReset: a connection is reset, as by the network: both ends see it.
 * - abortedAccept: the next connection of a listener is gone, and accept(2) says ECONNABORTED.
 * - descriptorsOut: a call that makes a descriptor says EMFILE or ENFILE.
 * - changeError: EV_ADD or EPOLL_CTL_ADD is refused (ENOMEM, ENOSPC).
 * - delayedDelivery: bytes, the end of a stream or a connection arrive later than usual.
 * - suddenWake: another thread wakes a waiting one, at a random moment.
 * - connectAtOnce: a non-blocking connect(2) has its answer at once.
 * - interruptedCall: a call that does not wait says EINTR, and has done nothing.
 * - memoryShort: a send of a stream says ENOBUFS, and no edge follows.
 * - datagramLost: the network loses a datagram.
 * - datagramDoubled: the network delivers a datagram twice.
 * - datagramOvertaken: later datagrams arrive before one.
 * - unreachable: an ICMP message comes back instead of a delivery: ECONNREFUSED or EHOSTUNREACH.
 * - noBuffers: a send says ENOBUFS.
 * - controlCut: a receive cuts off control messages: MSG_CTRUNC.
 * - lateCompletion: an operation of a ring is done, and its completion comes later.
 * - multishotEnd: a multishot operation ends with a result: no IORING_CQE_F_MORE.
 * - buffersOut: a receive of a ring finds no buffer: ENOBUFS.
 * - interruptedOperation: a receive or send of a ring says EINTR, and has done nothing.
 * - partialSubmit: io_uring_enter(2) takes fewer entries than it is given, and does not wait.
 * - enterRefused: io_uring_enter(2) says EAGAIN or EBUSY, and has done nothing.
 * - ringRefused: io_uring_setup(2), io_uring_register(2) or mmap(2) of a ring says ENOMEM.
 */
const probabilityMax = {
  partialSend: 0.5,
  shortReceive: 0.5,
  falseEagain: 0.3,
  interrupt: 0.3,
  interruptedClose: 0.2,
  spuriousReadiness: 0.05,
  hiddenReadiness: 0.3,
  shuffledEvents: 1,
  connectionReset: 0.01,
  abortedAccept: 0.1,
  descriptorsOut: 0.2,
  changeError: 0.1,
  delayedDelivery: 0.4,
  suddenWake: 0.3,
  connectAtOnce: 0.5,
  interruptedCall: 0.2,
  memoryShort: 0.2,
  datagramLost: 0.2,
  datagramDoubled: 0.2,
  datagramOvertaken: 0.3,
  unreachable: 0.1,
  noBuffers: 0.2,
  controlCut: 0.2,
  lateCompletion: 0.4,
  multishotEnd: 0.3,
  buffersOut: 0.2,
  interruptedOperation: 0.2,
  partialSubmit: 0.4,
  enterRefused: 0.3,
  ringRefused: 0.2,
} as const;

export type FaultKind = keyof typeof probabilityMax;

/** The names of all faults. */
export const faultKinds = Object.keys(probabilityMax) as readonly FaultKind[];

/** The faults that only datagrams meet. */
export const datagramFaults: readonly FaultKind[] = [
  'datagramLost',
  'datagramDoubled',
  'datagramOvertaken',
  'unreachable',
  'noBuffers',
  'controlCut',
];

/** The faults that only rings meet. */
export const ringFaults: readonly FaultKind[] = [
  'lateCompletion',
  'multishotEnd',
  'buffersOut',
  'interruptedOperation',
  'partialSubmit',
  'enterRefused',
  'ringRefused',
];

/** The faults that streams meet on every way of waiting. */
export const streamFaults = faultKinds.filter(
  (kind) => !datagramFaults.includes(kind) && !ringFaults.includes(kind),
);

const NONE = Object.fromEntries(faultKinds.map((kind) => [kind, 0])) as Record<FaultKind, number>;

/** The probability of each fault: data only, so that it can be printed and reused. */
export class FaultPlan {
  /** A plan without faults. */
  static readonly none = new FaultPlan({});

  readonly probabilities: Readonly<Record<FaultKind, number>>;
  /** How many faults happen at most, of all kinds. */
  readonly countMax: number;

  /** An omitted fault has a probability of 0. */
  constructor(
    probabilities: Readonly<Partial<Record<FaultKind, number>>>,
    countMax = Number.POSITIVE_INFINITY,
  ) {
    this.countMax = countMax;
    this.probabilities = { ...NONE, ...probabilities };
  }

  /**
   * A plan drawn from a seed: half of the seeds omit a fault, and in the others it is anywhere
   * between rare and frequent. Only faults of `kinds` are drawn, if given.
   */
  static seeded(
    seed: number,
    kinds: readonly FaultKind[] = faultKinds,
    countMax = Number.POSITIVE_INFINITY,
  ): FaultPlan {
    const probabilities: Partial<Record<FaultKind, number>> = {};
    for (const kind of kinds) {
      const random = new Random(seed, `plan of ${kind}`);
      if (random.chance(0.5)) continue;
      probabilities[kind] = probabilityMax[kind] * random.fraction() ** 2;
    }
    return new FaultPlan(probabilities, countMax);
  }
}

/** The faults of one simulation, drawn from its seed. */
export class Faults {
  readonly plan: FaultPlan;
  /** How often each fault has fired. */
  readonly fired: Readonly<Record<FaultKind, number>>;
  readonly #counts: Record<FaultKind, number>;
  readonly #seed: number;
  /** Made by the first draw: most seeds have few kinds. */
  readonly #dice: Partial<Record<FaultKind, Random>> = {};
  /** How many have fired. */
  total = 0;
  #healed = false;

  constructor(plan: FaultPlan, seed: number) {
    this.plan = plan;
    this.#counts = { ...NONE };
    this.fired = this.#counts;
    this.#seed = seed;
  }

  /** True if `kind` happens now. Asked only where it can: the counts are of real faults. */
  fires(kind: FaultKind): boolean {
    const probability = this.plan.probabilities[kind];
    if (probability === 0 || this.#healed) return false;
    if (!this.dice(kind).chance(probability)) return false;
    if (this.total >= this.plan.countMax) return false;
    this.#counts[kind] += 1;
    this.total += 1;
    return true;
  }

  /** The generator of the extent of a fault, once `kind` has fired. */
  dice(kind: FaultKind): Random {
    this.#dice[kind] ??= new Random(this.#seed, kind);
    return this.#dice[kind];
  }

  /** The events, in another order if that fault fires. */
  reordered<Item>(list: readonly Item[]): readonly Item[] {
    if (list.length < 2 || !this.fires('shuffledEvents')) return list;
    return this.dice('shuffledEvents').shuffled(list);
  }

  /** Ends all faults, so that everything must complete. */
  heal(): void {
    this.#healed = true;
  }
}
