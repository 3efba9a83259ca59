import { requireWhole } from '../../base/arguments.ts';
import type { Loop } from '../../loop/loop.ts';
import { QUEUE_BYTES_HIGH, QUEUE_BYTES_MAX } from '../limits.ts';
import type { ConnectionHandlers } from '../stream/connection.ts';
import { type AsyncConnection, asyncHandlers } from './async-connection.ts';

interface QueueSettings {
  readonly queueBytesHigh?: number;
  readonly queueBytesMax?: number;
}

/** What makes a connection with `settings` an {@link AsyncConnection}, which `opened` gets. */
export function asyncSettings<Settings extends QueueSettings>(
  loop: Loop,
  settings: Settings,
  opened: (connection: AsyncConnection) => void,
): Settings & AsyncParts {
  const { queueBytesMax = QUEUE_BYTES_MAX } = settings;
  const { queueBytesHigh = Math.min(QUEUE_BYTES_HIGH, queueBytesMax) } = settings;
  requireWhole('queueBytesHigh', queueBytesHigh, 0, Number.MAX_SAFE_INTEGER);
  // The mark is that of the face, which hears of every queue that has become empty.
  const handlers = asyncHandlers(loop, queueBytesHigh, opened);
  return { ...settings, queueBytesHigh: 0, chunks: 'owned', handlers };
}

/** What {@link asyncSettings} adds. */
export interface AsyncParts {
  readonly handlers: ConnectionHandlers<AsyncConnection>;
  readonly queueBytesHigh: number;
  readonly chunks: 'owned';
}
