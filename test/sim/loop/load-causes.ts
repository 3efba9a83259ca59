import type { FaultKind, Faults } from '#sim/faults.js';
import type { ErrorKind } from '#tools/load/document.js';
import type { ThreadResult } from '#tools/load/record/thread-messages.js';
import type { LoadLedger } from './load-ledger.ts';
import type { LoadLoop } from './load-loop.ts';
import type { LoadServer, Misdeed } from './load-server.ts';
import type { Oracle } from './oracle.ts';

// Nothing goes wrong without a cause: a misdeed of the server, a fault of the kernel, or time.

/** What may have happened to a run. */
interface World {
  readonly oracle: Oracle;
  readonly ledger: LoadLedger;
  readonly loop: LoadLoop;
  readonly server: LoadServer;
  readonly sys: { readonly kernel: { readonly faults: Faults } };
}

type Deed = Misdeed | 'absent' | 'busy' | 'full';

interface Cause {
  readonly deeds: readonly Deed[];
  readonly faults: readonly FaultKind[];
}

/** Faults that break connections, or prevent them. */
const BREAKING: readonly FaultKind[] = ['connectionReset', 'abortedAccept', 'changeError'];
/** Deeds that end a connection. */
const ENDING: readonly Deed[] = ['more', 'short', 'resets', 'closes', 'wrong', 'absent'];

/** Each takes 50 ms at most, and a calm run waits for a second at least. */
const FAULTS_IN_TIME = 20;

/** What each kind of error comes from; those of time are left out. */
const causes: Readonly<Partial<Record<ErrorKind, Cause>>> = {
  mismatch: { deeds: ['wrong', 'more'], faults: [] },
  shortReply: { deeds: ['short', 'closes', 'resets', 'absent'], faults: BREAKING },
  reset: { deeds: ENDING, faults: BREAKING },
  refused: { deeds: ['absent', 'full'], faults: BREAKING },
};

/** Checks that each kind of error has a cause, and that a calm run has none. */
export function judgeCauses(
  { oracle, ledger, loop, server, sys }: World,
  run: { readonly result: ThreadResult; readonly calm: boolean; readonly scarce: boolean },
): void {
  const { fired, total } = sys.kernel.faults;
  for (const [kind, { deeds, faults }] of Object.entries(causes)) {
    const count = ledger.failed[kind as ErrorKind];
    if (count === 0) continue;
    const has = deeds.some((one) => server.did.has(one)) || faults.some((one) => fired[one] > 0);
    oracle.expect(has, `${count} ${kind} without a cause`);
  }
  const spared = fired.connectionReset + fired.abortedAccept + fired.descriptorsOut === 0;
  // So many cannot add up to a timeout.
  const isShort = total <= FAULTS_IN_TIME;
  const isCalm = run.calm && !run.scarce && spared && isShort && fired.changeError === 0;
  if (!isCalm || server.did.size > 0) return;
  const failed = Object.values(ledger.failed).reduce((sum, count) => sum + count, 0);
  oracle.expect(failed === 0, `${failed} errors of a calm run`);
  oracle.expect(ledger.lost === 0, `${ledger.lost} connections lost in a calm run`);
  const { due, messages } = run.result;
  oracle.expect(due === messages, `${messages} answered of ${due} in a calm run`);
  oracle.expect(loop.writtenBytes === loop.receivedBytes, 'bytes have got lost');
  oracle.expect(server.received === server.sent, 'the server owes bytes');
  oracle.expect(server.sent === loop.receivedBytes, 'bytes are under way at the end');
}
