import type { Case } from '../case.ts';
import { asyncCases } from './async.ts';
import { batchCases } from './batches.ts';
import { budgetCases } from './budgets.ts';
import { burstCases } from './bursts.ts';
import { chunkCases } from './chunks.ts';
import { closedCases } from './closed.ts';
import { closingCases } from './closing.ts';
import { connectCases } from './connects.ts';
import { datagramErrorCases } from './datagram-errors.ts';
import { datagramHostileCases } from './datagram-hostile.ts';
import { datagramSendCases } from './datagram-sends.ts';
import { datagramCases } from './datagrams.ts';
import { errorCases } from './errors.ts';
import { guardCases } from './guards.ts';
import { handlerCases } from './handlers.ts';
import { heldCases } from './held.ts';
import { lingerCases } from './linger.ts';
import { listenerCases } from './listener.ts';
import { loopCases } from './loop.ts';
import { ownedChunkCases } from './owned-chunks.ts';
import { proxyCases } from './proxied.ts';
import { sendCases } from './sends.ts';
import { streamCases } from './stream.ts';
import { turnCases } from './turns.ts';
import { watchCases } from './watches.ts';

/** The whole suite. */
export const cases: readonly Case[] = [
  ...streamCases,
  ...burstCases,
  ...batchCases,
  ...budgetCases,
  ...closingCases,
  ...errorCases,
  ...lingerCases,
  ...listenerCases,
  ...heldCases,
  ...connectCases,
  ...loopCases,
  ...sendCases,
  ...turnCases,
  ...handlerCases,
  ...chunkCases,
  ...ownedChunkCases,
  ...closedCases,
  ...watchCases,
  ...asyncCases,
  ...guardCases,
  ...proxyCases,
  ...datagramCases,
  ...datagramSendCases,
  ...datagramErrorCases,
  ...datagramHostileCases,
];
