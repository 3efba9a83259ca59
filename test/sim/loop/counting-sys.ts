import { SimSys } from '#sim/sim-sys.js';

/** A simulated kernel that counts the calls that had an effect. */
export class CountingSys extends SimSys {
  #calls = 0;

  get progress(): number {
    return this.#calls + this.kernel.operationsDone;
  }

  #counted(result: number): number {
    if (result >= 0) this.#calls += 1;
    return result;
  }

  override accept(fd: number, address: Uint8Array, length: Int32Array): number {
    return this.#counted(super.accept(fd, address, length));
  }

  override accept4(fd: number, address: Uint8Array, length: Int32Array, flags: number): number {
    return this.#counted(super.accept4(fd, address, length, flags));
  }

  override send(fd: number, from: Uint8Array, at: number, length: number, flags: number): number {
    return this.#counted(super.send(fd, from, at, length, flags));
  }

  override recv(fd: number, into: Uint8Array, at: number, length: number, flags: number): number {
    return this.#counted(super.recv(fd, into, at, length, flags));
  }

  override close(fd: number): number {
    this.#calls += 1;
    return super.close(fd);
  }
}
