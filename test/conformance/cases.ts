import type { Case } from './case.ts';
import { closingCases } from './cases-closing.ts';
import { listenerCases } from './cases-listener.ts';
import { loopCases } from './cases-loop.ts';
import { streamCases } from './cases-stream.ts';

/** The whole suite. */
export const cases: readonly Case[] = [
  ...streamCases,
  ...closingCases,
  ...listenerCases,
  ...loopCases,
];
