import assert from 'node:assert/strict';
import type { Acceptance } from '#src/loop/backend.js';
import { encodeSockaddr, SOCKADDR_BYTES_MAX } from '#src/sys/sockaddr.js';
import { type Case, inEnvironment } from '../case.ts';
import { type Environment, turnOn, until } from '../environment.ts';

// What a listener that is paused in the middle of its connections holds: laws 1, 2 and 6.

const CLIENTS = 60;

/** A bare listener on the backend of a loop, and clients that belong to nobody. */
class Accepting {
  readonly acceptance: Acceptance;
  /** In the order in which they were told. */
  readonly fds: number[] = [];
  readonly ends: string[] = [];
  /** Called for each connection, with how many there were. */
  onAccepted: (count: number) => void = () => undefined;
  readonly #environment: Environment;
  readonly #address = new Uint8Array(SOCKADDR_BYTES_MAX);
  readonly #clients: number[] = [];
  readonly #length: number;

  constructor(environment: Environment) {
    const { sys } = environment.loop;
    this.#environment = environment;
    const to = { family: 'IPv4', address: '127.0.0.1', port: 0 } as const;
    this.#length = encodeSockaddr(sys.abi, to, this.#address);
    const fd = this.#socket();
    assert.equal(sys.bind(fd, this.#address, this.#length), 0);
    assert.equal(sys.listen(fd, 2 * CLIENTS), 0);
    assert.equal(sys.getsockname(fd, this.#address, Int32Array.of(SOCKADDR_BYTES_MAX)), 0);
    this.acceptance = environment.backend.accept(fd, {
      accepted: (connection) => {
        this.fds.push(connection);
        this.onAccepted(this.fds.length);
      },
      exhausted: (errno) => this.ends.push(`exhausted ${errno}`),
      failed: (errno) => this.ends.push(`failed ${errno}`),
      closed: () => this.ends.push('closed'),
    });
  }

  #socket(): number {
    const { sys } = this.#environment.loop;
    const { AF_INET, SOCK_STREAM, F_SETFL, O_NONBLOCK } = sys.abi.constants;
    const fd = sys.socket(AF_INET, SOCK_STREAM, 0);
    assert.ok(fd >= 0);
    sys.fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
  }

  connect(count: number): void {
    for (let client = 0; client < count; client += 1) {
      const fd = this.#socket();
      this.#clients.push(fd);
      this.#environment.loop.sys.connect(fd, this.#address, this.#length);
    }
  }

  closeClients(): void {
    for (const fd of this.#clients.splice(0)) {
      assert.equal(this.#environment.loop.sys.close(fd), 0);
    }
  }

  /** Closes what the case has open, and expects nothing else to be. */
  end(): void {
    const { sys } = this.#environment.loop;
    for (const fd of this.fds) assert.equal(sys.close(fd), 0);
    this.closeClients();
    this.acceptance.close();
    until(this.#environment, () => this.ends.length > 0, 'the listener is closed');
    turnOn(this.#environment);
    assert.deepEqual(this.ends, ['closed']);
    assert.equal(this.#environment.openDescriptors(), 0);
  }
}

/** Descriptors are made in the order of the connections: the lowest number that is free. */
function inOrder(fds: readonly number[]): boolean {
  return fds.every((fd, index) => index === 0 || fd > (fds[index - 1] ?? 0));
}

const skip: Case['skip'] = ({ name }) =>
  name === 'sim completions' ? 'there completions come late, in any order' : null;

/** It is paused by its thirtieth connection, while others are there. */
function pausedHalfWay(environment: Environment): Accepting {
  const accepting = new Accepting(environment);
  accepting.onAccepted = (count) => {
    if (count === 30) accepting.acceptance.pause();
  };
  accepting.connect(CLIENTS);
  until(environment, () => accepting.fds.length === 30, 'half of them are told');
  turnOn(environment);
  return accepting;
}

export const heldCases: readonly Case[] = [
  {
    name: 'a listener that its connections pause again and again tells all of them, in order',
    laws: [1, 2],
    skip,
    run: inEnvironment((environment) => {
      const accepting = new Accepting(environment);
      const { acceptance, fds } = accepting;
      let paused = false;
      accepting.onAccepted = (count) => {
        assert.equal(paused, false, 'none is told while it is paused');
        // Longer and longer bursts, so that some are held and others come behind them.
        if (count % 7 === 0 || count > CLIENTS - 5) {
          acceptance.pause();
          paused = true;
        }
      };
      accepting.connect(CLIENTS / 2);
      for (let turns = 0; turns < environment.turnsMax && fds.length < CLIENTS; turns += 1) {
        environment.turn();
        if (fds.length === 21 && paused) accepting.connect(CLIENTS / 2);
        if (!paused) continue;
        const told = fds.length;
        turnOn(environment, 3);
        assert.equal(fds.length, told);
        paused = false;
        acceptance.resume();
        assert.equal(fds.length, told, 'and none inside of the call');
      }
      assert.equal(fds.length, CLIENTS);
      assert.ok(inOrder(fds), `${fds}`);
      accepting.end();
    }),
  },
  {
    name: 'a listener that is closed while it is paused leaves nothing open of what it holds',
    laws: [1, 6],
    skip,
    run: inEnvironment((environment) => {
      const accepting = pausedHalfWay(environment);
      assert.equal(accepting.fds.length, 30);
      assert.ok(environment.openDescriptors() >= environment.loop.fds().length - 1);
      accepting.end();
    }),
  },
  {
    name: 'a loop that is closed with a paused listener leaves nothing open of what it holds',
    laws: [6],
    skip,
    run: inEnvironment((environment) => {
      const accepting = pausedHalfWay(environment);
      const { sys } = environment.loop;
      const held = environment.loop.fds();
      environment.loop.close();
      for (const fd of held) assert.ok(sys.close(fd) < 0, `${fd} was left open`);
      for (const fd of accepting.fds) assert.equal(sys.close(fd), 0);
      accepting.closeClients();
    }),
  },
  {
    name: 'retire() of a paused listener tells what it holds, and what waits, and closes it',
    laws: [1, 6],
    skip,
    run: inEnvironment((environment) => {
      const accepting = pausedHalfWay(environment);
      const holds = environment.openDescriptors();
      accepting.acceptance.retire();
      assert.equal(accepting.fds.length, 30, 'none inside of the call');
      until(environment, () => accepting.ends.length > 0, 'it is closed');
      assert.ok(inOrder(accepting.fds));
      // What it held was told, not closed: the listener and its reserve are.
      assert.equal(environment.openDescriptors(), holds - 2);
      accepting.end();
    }),
  },
];
