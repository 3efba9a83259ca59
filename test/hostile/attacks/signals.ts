import { setTimeout as delay } from 'node:timers/promises';
import type { Attack } from '../attack.ts';
import { PLAIN, QUICK } from '../conditions.ts';
import { CLOCK_STEPPING, INTERRUPTING } from '../own-signals.ts';

const SIGNALS = { on: [PLAIN], quickOn: QUICK, quickPeers: 0, peers: 0, isStill: false };
const STOPPED_MS = 100;
const RUNS_MS = 50;

/** Waits are interrupted a thousand times a second. */
export const signalStorm: Attack = {
  ...SIGNALS,
  name: 'signal storm',
  idea: 'a signal every millisecond, which the program handles (SIGWINCH)',
  mayDelay: null,
  run: async (field) => {
    field.stands();
    while (!field.isOver) {
      field.signal(INTERRUPTING);
      await delay(1);
    }
  },
};

/** The process is stopped, and goes on, while its peers do not wait for it. */
export const stopAndGo: Attack = {
  ...SIGNALS,
  name: 'SIGSTOP, SIGCONT',
  idea: 'the server stands still for 100 ms, runs for 50 ms, and so on',
  mayDelay: 'it stands still for 100 ms at a time',
  run: async (field) => {
    field.stands();
    while (!field.isOver) {
      field.signal('SIGSTOP');
      await delay(STOPPED_MS);
      field.signal('SIGCONT');
      await delay(RUNS_MS);
    }
  },
};

/** The wall clock of the process is set, forward and back, in the middle of everything. */
export const clockSteps: Attack = {
  ...SIGNALS,
  name: 'clock steps',
  idea: 'the wall clock of the process steps by hours, forward and back, every 5 ms',
  mayDelay: null,
  run: async (field) => {
    field.stands();
    while (!field.isOver) {
      field.signal(CLOCK_STEPPING);
      await delay(5);
    }
  },
};
