import type { Case } from './case.ts';
import { burstCases } from './cases-bursts.ts';
import { chunkCases } from './cases-chunks.ts';
import { closedCases } from './cases-closed.ts';
import { closingCases } from './cases-closing.ts';
import { connectCases } from './cases-connects.ts';
import { errorCases } from './cases-errors.ts';
import { lingerCases } from './cases-linger.ts';
import { listenerCases } from './cases-listener.ts';
import { loopCases } from './cases-loop.ts';
import { sendCases } from './cases-sends.ts';
import { streamCases } from './cases-stream.ts';
import { turnCases } from './cases-turns.ts';
import { watchCases } from './cases-watches.ts';

/** The whole suite. */
export const cases: readonly Case[] = [
  ...streamCases,
  ...burstCases,
  ...closingCases,
  ...errorCases,
  ...lingerCases,
  ...listenerCases,
  ...connectCases,
  ...loopCases,
  ...sendCases,
  ...turnCases,
  ...chunkCases,
  ...closedCases,
  ...watchCases,
];
