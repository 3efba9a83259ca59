import type { MessagePool } from '../traffic/message-pool.ts';

/** What became of a message whose reply lies in a chunk that has wrong bytes. */
type Judgement = 'answered' | 'mismatch';

/** Where a connection is in its stream. */
interface StreamPlace {
  /** The place of the next byte in the pool. */
  readonly at: number;
  /** Bytes received of the current reply. */
  readonly partial: number;
  /** Messages awaiting a reply. */
  readonly awaited: number;
}

/**
 * Looks at a chunk that is not what it should be, message by message: those that were answered, and
 * those that have wrong bytes, oldest first. What is awaited beyond them is lost.
 *
 * A reply behind a wrong one is judged as long as the stream is in step: where most of its bytes
 * are right. Bytes that were lost or doubled shift all that follows, and are the fault of one
 * reply. Bytes behind the last reply are that reply's.
 */
export function judgeReplies(
  pool: Pick<MessagePool, 'messageBytes' | 'after' | 'rightBytes'>,
  chunk: Uint8Array,
  { at, partial, awaited }: StreamPlace,
): Judgement[] {
  const judged: Judgement[] = [];
  let place = at;
  let from = 0;
  let wantedBytes = pool.messageBytes - partial;
  let wrong = false;
  while (from < chunk.length && judged.length < awaited) {
    const part = chunk.subarray(from, from + wantedBytes);
    const right = pool.rightBytes(part, place);
    if (right === part.length) {
      // The rest of it may still come, but not to this connection.
      if (part.length < wantedBytes) return judged;
      judged.push('answered');
    } else if (!wrong || 2 * right > part.length) {
      judged.push('mismatch');
      wrong = true;
    } else {
      return judged;
    }
    from += part.length;
    place = pool.after(place, part.length);
    wantedBytes = pool.messageBytes;
  }
  if (from < chunk.length) judged[Math.max(0, judged.length - 1)] = 'mismatch';
  return judged;
}
