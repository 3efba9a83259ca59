/** What the servers are measured at. */

export interface Case {
  readonly name: string;
  /** In words, for a heading. */
  readonly title: string;
  /** In two or three words, for the head of a column. */
  readonly short: string;
  readonly connections: number;
  readonly bytes: number;
  /** Messages under way on each connection; in an open loop, at the most. */
  readonly inFlight: number;
  /** An open loop, with so many messages a second in all. */
  readonly ratePerSecond?: number;
  /** Each message is a connection of its own. */
  readonly churn?: true;
  /** Idle connections beside the busy ones. */
  readonly idle?: number;
}

const BYTES = 64;

export const cases: readonly Case[] = [
  {
    name: 'c1',
    title: '1 connection',
    short: '1 connection',
    connections: 1,
    bytes: BYTES,
    inFlight: 1,
  },
  {
    name: 'c50',
    title: '50 connections',
    short: '50 connections',
    connections: 50,
    bytes: BYTES,
    inFlight: 1,
  },
  {
    name: 'c1000',
    title: '1,000 connections',
    short: '1,000 connections',
    connections: 1000,
    bytes: BYTES,
    inFlight: 1,
  },
  {
    name: 'pipeline',
    title: '50 connections, 16 messages in flight on each',
    short: '16 in flight',
    connections: 50,
    bytes: BYTES,
    inFlight: 16,
  },
  {
    name: 'large',
    title: '50 connections, messages of 16 KiB',
    short: '16 KiB',
    connections: 50,
    bytes: 16384,
    inFlight: 1,
  },
  {
    name: 'churn',
    title: 'a connection for each message',
    short: 'a connection each',
    connections: 12,
    bytes: BYTES,
    inFlight: 1,
    churn: true,
  },
  {
    name: 'open',
    title: 'open loop, 20,011 messages a second over 50 connections',
    short: '20,011 a second',
    connections: 50,
    bytes: BYTES,
    // What a server owes beyond this it must answer first; the schedule goes on.
    inFlight: 64,
    ratePerSecond: 20_011,
  },
  {
    name: 'idle',
    title: '50 connections beside 10,000 idle ones',
    short: '10,000 idle',
    connections: 50,
    bytes: BYTES,
    inFlight: 1,
    idle: 10_000,
  },
];
