import { rest, restIfHurried } from '../socket/wait.ts';
import { waitErrnoKind } from '../sys/error-kinds.ts';
import type { Sys } from '../sys/sys.ts';
import { type SysError, sysError } from '../sys/sys-error.ts';
import { Interest, type PollerName, type ReadySink, type WakeHandle } from './poller.ts';
import { type Registration, Registry } from './registry.ts';
import type { LoopPoller, RidingCalls, WaitCalls } from './riding-calls.ts';
import { wake } from './wakers.ts';

/**
 * What all pollers share: the registry, and the order in which it and the kernel are updated.
 *
 * The kernel's set holds a descriptor only while its interest is not empty. With an empty interest
 * poll(2) and epoll(7) would still report hang-ups and errors, at every wait.
 */
export abstract class BasePoller implements LoopPoller {
  abstract readonly name: PollerName;
  abstract readonly wakeHandle: WakeHandle;
  abstract readonly fds: readonly number[];
  readonly fdLimit: number = Number.POSITIVE_INFINITY;
  readonly edgeTriggered: boolean = false;
  protected readonly sys: Sys;
  protected readonly registry = new Registry();
  /** Makes the waits: the Sys, or the loop's queue of calls. */
  protected waits: WaitCalls;
  protected riding: RidingCalls | null = null;
  /** Whether `install` makes a call that fails for a descriptor that is not open. */
  protected readonly kernelChecks: boolean = true;
  /** The call that `install` makes. */
  protected abstract readonly installCall: string;
  protected closed = false;
  protected wasInterrupted = false;

  constructor(sys: Sys) {
    this.sys = sys;
    this.waits = sys;
  }

  ride(calls: RidingCalls): void {
    this.waits = calls;
    this.riding = calls;
  }

  get pollFd(): number {
    return -1;
  }

  get interrupted(): boolean {
    return this.wasInterrupted;
  }

  register(fd: number, interest: Interest, token: number, edge = false): void {
    this.requireOpen();
    if (fd >= this.fdLimit) throw this.holdsNot(fd);
    if (!this.kernelChecks || interest === Interest.none) this.#requireDescriptor(fd);
    // An earlier registration may belong to another descriptor with the same number.
    this.deregister(fd);
    const generation = this.registry.nextGeneration();
    this.registry.markEdge(fd, edge && this.edgeTriggered);
    if (interest !== Interest.none) this.#mustInstall(fd, Interest.none, interest, generation);
    this.registry.enter(fd, interest, token, generation);
  }

  modify(fd: number, interest: Interest, token: number): void {
    if (!this.registry.has(fd)) throw new Error(`descriptor ${fd} is not registered`);
    const before = this.registry.interestOf(fd);
    // Setting the interest again makes the kernel report a missed edge.
    const rearm = interest !== Interest.none && this.registry.isEdge(fd);
    if (interest !== before || rearm) {
      this.#mustInstall(fd, before, interest, this.registry.generationOf(fd));
    }
    this.registry.change(fd, interest, token);
  }

  deregister(fd: number): void {
    const before = this.registry.interestOf(fd);
    this.registry.remove(fd);
    // The result does not matter: a closed descriptor is in no set, and its number may already
    // belong to another one, which is not in the set yet.
    if (before !== Interest.none) this.install(fd, before, Interest.none, 0);
  }

  forget(fd: number): void {
    this.deregister(fd);
  }

  installAgain(fd: number): SysError | null {
    const interest = this.registry.interestOf(fd);
    if (interest === Interest.none) return null;
    const riding = this.riding;
    this.riding = null;
    const result = this.install(fd, Interest.none, interest, this.registry.generationOf(fd));
    this.riding = riding;
    if (result >= 0) return null;
    this.registry.remove(fd);
    return this.#cannotWatch(fd, result, this.installCall);
  }

  registrations(): Iterable<Registration> {
    return this.registry.values();
  }

  wake(): void {
    if (!this.closed) wake(this.sys, this.wakeHandle);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.release();
  }

  abstract wait(timeoutMs: number | null, sink: ReadySink): number;

  /**
   * Makes the kernel's set hold `fd` for `wanted` instead of `installed`, under `generation`.
   * Returns a number `>= 0` or `-errno`.
   */
  protected abstract install(
    fd: number,
    installed: Interest,
    wanted: Interest,
    generation: number,
  ): number;

  /** Closes what the poller opened. */
  protected abstract release(): void;

  protected requireOpen(): void {
    if (this.closed) throw new Error('the poller is closed');
  }

  /**
   * Handles the result of the wait. A signal ends the wait without reports, as does a lack of
   * memory, after a short rest; any other failure is thrown.
   */
  protected waited(result: number, syscall: string): void {
    this.wasInterrupted = result < 0 && result === -this.sys.abi.errno.EINTR;
    if (this.wasInterrupted) restIfHurried(this.sys);
    if (result >= 0 || this.wasInterrupted) return;
    this.requireOpen();
    if (waitErrnoKind(this.sys.abi, -result) === 'shortage') {
      rest(this.sys);
      return;
    }
    throw sysError(this.sys, result, syscall, `wait with ${this.name}`);
  }

  #mustInstall(fd: number, installed: Interest, wanted: Interest, generation: number): void {
    const result = this.install(fd, installed, wanted, generation);
    // Removing what is no longer in the set is no failure: see deregister.
    if (result >= 0 || wanted === Interest.none) return;
    throw this.#cannotWatch(fd, result, this.installCall);
  }

  #requireDescriptor(fd: number): void {
    const result = this.sys.fcntl(fd, this.sys.abi.constants.F_GETFD, 0);
    if (result < 0) throw this.#cannotWatch(fd, result, 'fcntl');
  }

  #cannotWatch(fd: number, result: number, syscall: string): SysError {
    return sysError(this.sys, result, syscall, `watch descriptor ${fd} with ${this.name}`);
  }

  protected holdsNot(fd: number): RangeError {
    const other = this.sys.abi.structs.epoll_event === undefined ? 'kqueue' : 'epoll';
    const end = `its sets end at ${this.fdLimit - 1}`;
    return new RangeError(
      `${this.name} cannot hold descriptor ${fd} (${end}): use poll or ${other}`,
    );
  }
}
