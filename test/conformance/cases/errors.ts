import assert from 'node:assert/strict';
import { type Case, inEnvironment } from '../case.ts';
import {
  connectedPair,
  type Environment,
  type Pair,
  pattern,
  turnOn,
  until,
} from '../environment.ts';

// Errors: law 4, and the count of the bytes that the kernel took.

const RESET = ['ECONNRESET', 'EPIPE'];

function assertBrokenWithoutEnd(pair: Pair): void {
  const { events, error } = pair.serverLog;
  assert.equal(events.includes('end'), false, events.join(' '));
  assert.equal(events.at(-1), 'close');
  assert.ok(RESET.includes(error ?? ''), String(error));
}

function closeRest(environment: Environment, pair: Pair): void {
  pair.client.close();
  pair.listener.close();
  until(environment, () => environment.openDescriptors() === 0, 'everything is closed');
}

/** Writes until the server has seen the reset of its client. */
function sendsAfterReset(bytes: number, queued: number): Case {
  const behind = queued === 0 ? '' : ' behind a queue';
  return {
    name: `a reset that a send of ${bytes} bytes${behind} hears of first is never an end`,
    laws: [1, 4],
    run: inEnvironment((environment) => {
      const chunk = pattern(bytes);
      for (let round = 0; round < 4; round++) {
        const pair = connectedPair(environment, {}, { close: () => pair.server.write(chunk) });
        if (queued > 0) {
          pair.client.pause();
          pair.server.write(pattern(queued));
          turnOn(environment);
        }
        pair.client.reset();
        until(
          environment,
          () => {
            if (pair.server.queuedBytes < 2 * queued + 1) pair.server.write(chunk);
            return pair.serverLog.events.includes('close');
          },
          'the server knows',
        );
        turnOn(environment);
        assertBrokenWithoutEnd(pair);
        closeRest(environment, pair);
      }
    }),
  };
}

/** Turns until nothing is sent for a while. */
function settled(environment: Environment, pair: Pair): number {
  for (;;) {
    const before = pair.server.bytesSent;
    turnOn(environment, 40);
    if (pair.server.bytesSent === before) return before;
  }
}

export const errorCases: readonly Case[] = [
  sendsAfterReset(20, 0),
  sendsAfterReset(40_000, 0),
  sendsAfterReset(20, 8 * 1024 * 1024),
  {
    name: 'a reset whose SO_ERROR the program has read is no end either',
    laws: [1, 4],
    run: inEnvironment((environment) => {
      const pair = connectedPair(environment);
      pair.server.pause();
      pair.client.reset();
      turnOn(environment, 40);
      // A ring may have seen it in spite of the pause.
      if (pair.server.isOpen) pair.server.getSockOpt('SO_ERROR');
      pair.server.resume();
      until(environment, () => pair.serverLog.events.includes('close'), 'the server knows');
      turnOn(environment);
      assertBrokenWithoutEnd(pair);
      closeRest(environment, pair);
    }),
  },
  {
    name: 'bytesSent of a connection that was reset is what the kernel took',
    laws: [12],
    run: inEnvironment((environment) => {
      const length = environment.turnsMax > 100_000 ? 600_000 : 16 * 1024 * 1024;
      const pair = connectedPair(environment);
      pair.client.pause();
      turnOn(environment, 2);
      pair.server.write(pattern(length));
      const sent = settled(environment, pair);
      assert.ok(sent > 0 && sent < length, `${sent} of ${length}`);
      let closedWith = -1;
      pair.client.reset();
      until(
        environment,
        () => {
          closedWith = pair.server.bytesSent;
          return pair.serverLog.events.includes('close');
        },
        'the server knows',
      );
      assert.equal(closedWith, sent);
      closeRest(environment, pair);
    }),
  },
  {
    name: 'bytesSent leaves out what a send was refused',
    laws: [12],
    run: inEnvironment((environment) => {
      for (const size of [20, 40_000]) {
        const pair = connectedPair(environment);
        pair.server.pause();
        pair.client.reset();
        turnOn(environment, 40);
        pair.server.write(pattern(size));
        pair.server.write(pattern(size));
        until(environment, () => pair.serverLog.events.includes('close'), 'the server knows');
        assert.equal(pair.server.bytesSent, 0);
        closeRest(environment, pair);
      }
    }),
  },
  {
    name: 'bytesSent of a connection that was closed over a queue is what the kernel took',
    laws: [6, 12],
    run: inEnvironment((environment) => {
      const length = environment.turnsMax > 100_000 ? 600_000 : 16 * 1024 * 1024;
      const pair = connectedPair(environment);
      pair.client.pause();
      pair.server.write(pattern(length));
      settled(environment, pair);
      pair.server.close();
      until(environment, () => pair.serverLog.events.includes('close'), 'it is closed');
      pair.client.resume();
      until(environment, () => pair.clientLog.events.includes('end'), 'the client has it all');
      assert.equal(pair.server.bytesSent, pair.clientLog.received.length);
      closeRest(environment, pair);
    }),
  },
];
