import {
  requireFlag,
  requireFunction,
  requireObject,
  requireWhole,
  shown,
  wrongValue,
} from '../../base/arguments.ts';
import type { DatagramSettings } from '../../loop/datagram/contract.ts';
import { DATAGRAM_BYTES } from '../../loop/limits.ts';
import type { Sys } from '../../sys/sys.ts';
import { requireSignal } from '../async/abort.ts';
import {
  DATAGRAM_BYTES_MAX,
  DATAGRAM_QUEUED_BYTES_MAX,
  DATAGRAM_QUEUED_BYTES_MIN,
  DATAGRAM_QUEUED_BYTES_MOST,
  UDP_BYTES_MAX,
} from '../limits.ts';
import type { OpenedSocket } from './open.ts';
import type { DatagramInfo, DatagramOptions } from './options.ts';

const INFO: readonly DatagramInfo[] = ['local', 'ecn', 'ttl', 'timestamp'];
const HANDLERS = ['datagrams', 'drain', 'unreachable', 'end', 'close'] as const;
const FLAGS = [
  'ipv6Only',
  'reuseAddress',
  'reusePort',
  'broadcast',
  'gro',
  'gso',
  'reportUnreachable',
] as const;

/** Checks the options at the call: an error in a later turn would be far from its cause. */
export function checkOptions(options: DatagramOptions): void {
  requireObject('handlers', options.handlers);
  for (const name of HANDLERS) requireFunction(`the handler ${name}`, options.handlers[name]);
  for (const name of FLAGS) requireFlag(name, options[name]);
  requireFunction('onHandlerError', options.onHandlerError);
  requireSignal(options.signal);
  if (options.connect !== undefined) requireObject('connect', options.connect);
  for (const name of ['receiveBufferBytes', 'sendBufferBytes'] as const) {
    if (options[name] !== undefined) requireWhole(name, options[name], 1, 2 ** 31 - 1);
  }
  const { bytesMax, queuedBytesMax, chunks = 'owned', info = [] } = options;
  if (bytesMax !== undefined) requireWhole('bytesMax', bytesMax, 1, DATAGRAM_BYTES_MAX);
  if (queuedBytesMax !== undefined) {
    const [least, most] = [DATAGRAM_QUEUED_BYTES_MIN, DATAGRAM_QUEUED_BYTES_MOST];
    requireWhole('queuedBytesMax', queuedBytesMax, least, most);
  }
  if (chunks !== 'owned' && chunks !== 'borrowed') {
    throw wrongValue(chunks, "chunks is 'owned' or 'borrowed'");
  }
  if (!Array.isArray(info)) throw new TypeError(`info is an array, not ${shown(info)}`);
  for (const one of info) {
    if (!INFO.includes(one)) throw new RangeError(`info is of ${INFO.join(', ')}: not ${one}`);
  }
}

/** What the backend is to know. Throws where the platform has no error queue. */
export function settingsOf(
  sys: Sys,
  options: DatagramOptions,
  { own, peer, sequenced }: OpenedSocket,
): DatagramSettings {
  const { bytesMax = UDP_BYTES_MAX, gro = false, gso = true } = options;
  const isUdp = own.family !== 'UNIX';
  const errorQueue = options.reportUnreachable === true;
  if (errorQueue && (sys.abi.constants.IP_RECVERR === undefined || !isUdp)) {
    const where = isUdp ? sys.abi.platform : 'a UNIX socket';
    throw new RangeError(`reportUnreachable needs IP_RECVERR, which ${where} lacks`);
  }
  return {
    bytesMax: gro && isUdp ? Math.max(bytesMax, DATAGRAM_BYTES) : bytesMax,
    gro: gro && isUdp,
    gso: gso && isUdp,
    queuedBytesMax: options.queuedBytesMax ?? DATAGRAM_QUEUED_BYTES_MAX,
    errorQueue,
    sequenced,
    unixPeers: !isUdp && peer === null,
    unix: !isUdp,
  };
}
