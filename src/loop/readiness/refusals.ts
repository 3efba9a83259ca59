import type { SysError } from '../../sys/sys-error.ts';
import type { ReadinessHandle, ReadinessOwner } from './handle.ts';

/** Handles without a way to hear of it, such as watches, that the kernel would not register. */
export class Refusals {
  #error: SysError | null = null;
  readonly #handles: ReadinessHandle[] = [];

  add(handle: ReadinessHandle, error: SysError): void {
    this.#error ??= error;
    this.#handles.push(handle);
  }

  /** Throws the first error: it ends the turn. They are tried again if the program goes on. */
  end(owner: ReadinessOwner): void {
    const error = this.#error;
    if (error === null) return;
    this.#error = null;
    for (const handle of this.#handles.splice(0)) owner.markDirty(handle);
    throw error;
  }
}
