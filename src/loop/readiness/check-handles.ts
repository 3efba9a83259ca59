import { CHECKED_MAX, invariant } from '../../base/invariants.ts';
import { NO_TOKEN, type TokenSlab } from '../../base/token-slab.ts';
import type { LoopPoller } from '../../poller/riding-calls.ts';
import { checkStreams } from '../stream-totals.ts';
import type { ReadinessHandle } from './handle.ts';

/** At the end of a turn: what the poller has registered is what the handles believe it has. */
export function checkHandles(poller: LoopPoller, handles: TokenSlab<ReadinessHandle>): void {
  if (handles.size >= CHECKED_MAX) return;
  let registered = 0;
  for (const { fd, token, interest } of poller.registrations()) {
    if (token === NO_TOKEN) continue;
    const handle = handles.get(token);
    invariant(handle?.registered === true, 'a descriptor is registered and no handle is');
    invariant(handle?.fd === fd, 'a descriptor is registered for the handle of another one');
    invariant(handle?.installed === interest, 'a descriptor is watched for something else');
    registered += 1;
  }
  let believed = 0;
  for (const handle of handles.values()) if (handle.registered) believed += 1;
  invariant(believed === registered, 'a handle is registered and its descriptor is not');
  checkStreams(handles);
}
