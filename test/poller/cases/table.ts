/** The table of a poller against a simple model: registrations change at random. */

import assert from 'node:assert/strict';
import { Random } from '#src/base/random.js';
import { Interest } from '#src/poller/poller.js';
import type { Ends, Fixture } from '../fixture.ts';
import type { PollerCase } from '../suite.ts';

const PLACES = 9;
const STEPS = 400;

/** A socket, and what the poller is to know of it. */
interface Place {
  ends: Ends;
  /** Null where it is not registered. */
  registered: { token: number; interest: Interest } | null;
  readable: boolean;
}

const INTERESTS = [Interest.none, Interest.read, Interest.write, Interest.both] as const;

class Table {
  readonly #fixture: Fixture;
  readonly #random: Random;
  readonly places: Place[];
  #token = 0;

  constructor(fixture: Fixture, seed: number) {
    this.#fixture = fixture;
    this.#random = new Random(seed, 'table');
    this.places = Array.from({ length: PLACES }, () => this.#opened());
  }

  #opened(): Place {
    return { ends: this.#fixture.pair(), registered: null, readable: false };
  }

  any(): Place {
    const place = this.places[this.#random.below(PLACES)];
    assert.ok(place !== undefined);
    return place;
  }

  /** Does one thing, to any of them. */
  step(): void {
    const place = this.any();
    switch (this.#random.below(7)) {
      case 0:
      case 1:
        this.register(place);
        break;
      case 2:
        this.#modify(place);
        break;
      case 3:
        this.deregister(place);
        break;
      case 4:
        this.#fixture.write(place.ends[1]);
        place.readable = true;
        break;
      case 5:
        this.#fixture.drain(place.ends[0]);
        place.readable = false;
        break;
      default:
        this.#replace(place);
    }
  }

  register(place: Place): void {
    this.#token += 1;
    const interest = this.#random.chance(0.2)
      ? Interest.none
      : (INTERESTS[1 + this.#random.below(3)] ?? Interest.read);
    place.registered = { token: this.#token, interest };
    this.#fixture.poller.register(place.ends[0], interest, this.#token);
  }

  #modify(place: Place): void {
    if (place.registered === null) return;
    this.#token += 1;
    const interest = INTERESTS[this.#random.below(4)] ?? Interest.none;
    place.registered = { token: this.#token, interest };
    this.#fixture.poller.modify(place.ends[0], interest, this.#token);
  }

  deregister(place: Place): void {
    place.registered = null;
    this.#fixture.poller.deregister(place.ends[0]);
  }

  /** Closes it, before or after it is taken out, and opens another, which gets the number. */
  #replace(place: Place): void {
    const before = place.registered !== null && this.#random.chance(0.5);
    const wasRegistered = place.registered !== null;
    if (before) this.deregister(place);
    for (const fd of place.ends) this.#fixture.closeFd(fd);
    if (wasRegistered && !before && this.#random.chance(0.5)) this.deregister(place);
    const [number] = place.ends;
    Object.assign(place, this.#opened());
    // As a rule it is the same one, whose registration is replaced.
    if (place.ends[0] !== number) this.#fixture.poller.deregister(number);
    this.register(place);
  }

  /** What a wait is to report, by token. */
  expected(): Map<number, Interest> {
    const ready = new Map<number, Interest>();
    for (const { registered, readable } of this.places) {
      if (registered === null) continue;
      const found = (readable ? Interest.both : Interest.write) & registered.interest;
      if (found !== 0) ready.set(registered.token, found as Interest);
    }
    return ready;
  }

  placeOf(token: number): Place | undefined {
    return this.places.find(({ registered }) => registered?.token === token);
  }

  close(): void {
    for (const place of this.places) {
      this.deregister(place);
      for (const fd of place.ends) this.#fixture.closeFd(fd);
    }
  }
}

export const tableCases: readonly PollerCase[] = [
  {
    name: 'whatever is registered, changed, closed and opened, a wait reports what is there',
    run: (fixture) => {
      for (const seed of [1, 2]) {
        const table = new Table(fixture, seed);
        for (let step = 0; step < STEPS; step += 1) {
          table.step();
          if (step % 3 !== 0) continue;
          const reports = fixture.wait(0);
          const seen = new Map(reports.map(({ token, interest }) => [token, interest]));
          const sorted = (map: ReadonlyMap<number, Interest>) => [...map].sort(([a], [b]) => a - b);
          assert.deepEqual(sorted(seen), sorted(table.expected()), `seed ${seed}, step ${step}`);
        }
        table.close();
        assert.deepEqual(fixture.wait(0), []);
      }
      return undefined;
    },
  },
  {
    name: 'what a report takes out or registers anew is not reported in the same wait',
    run: (fixture) => {
      for (const seed of [3, 4]) {
        const table = new Table(fixture, seed);
        for (let step = 0; step < STEPS / 3; step += 1) {
          for (let one = 0; one < 3; one += 1) table.step();
          const expected = table.expected();
          fixture.wait(0, ({ token, interest }) => {
            assert.equal(interest, expected.get(token), `seed ${seed}, step ${step}, ${token}`);
            expected.delete(token);
            const other = table.any();
            if (other.registered !== null) expected.delete(other.registered.token);
            if (step % 2 === 0) table.deregister(other);
            else table.register(other);
          });
          assert.deepEqual([...expected], [], `seed ${seed}, step ${step}: all the others were`);
        }
        table.close();
      }
      return undefined;
    },
  },
];
