import { wrongValue } from '../base/arguments.ts';
import { writeNamed } from '../socket/options/calls.ts';
import { restIfHurried } from '../socket/wait.ts';
import { encodeControl } from '../sys/control-messages.ts';
import { sendFlags } from '../sys/descriptors.ts';
import { nativeSys } from '../sys/native.ts';
import { encodeSockaddr, SOCKADDR_BYTES_MAX } from '../sys/sockaddr.ts';
import type { Sys } from '../sys/sys.ts';
import { sysError } from '../sys/sys-error.ts';

/** How long a supervisor may take whose queue is full. */
const SEND_TIMEOUT_MS = 2000;

/** Sends a datagram with descriptors to the socket that NOTIFY_SOCKET names. Throws a SysError. */
export function sendNotification(place: string, text: string, fds: readonly number[]): void {
  const sys = nativeSys();
  const { AF_UNIX, SOCK_DGRAM, SOCK_CLOEXEC = 0 } = sys.abi.constants;
  const address = { family: 'UNIX', path: pathOf(place) } as const;
  const name = new Uint8Array(SOCKADDR_BYTES_MAX);
  const nameLength = encodeSockaddr(sys.abi, address, name);
  const buffer = Buffer.from(text);
  const control = fds.length === 0 ? null : encodeControl(sys.abi, [{ kind: 'SCM_RIGHTS', fds }]);
  const fd = sys.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw sysError(sys, fd, 'socket', 'notify', address);
  try {
    writeNamed(sys, fd, 'SO_SNDTIMEO', SEND_TIMEOUT_MS);
    const controlLength = control?.length ?? 0;
    const whole = { offset: 0, length: buffer.length, controlLength, flags: 0 };
    const message = { name, nameLength, buffer, control, ...whole };
    const result = untilDone(sys, () => sys.sendmsg(fd, message, sendFlags(sys)));
    if (result < 0) throw sysError(sys, result, 'sendmsg', 'notify', address);
  } finally {
    sys.close(fd);
  }
}

/** Repeats a call that signals end. Each begins its timeout anew: they share one. */
function untilDone(sys: Sys, call: () => number): number {
  const deadlineMs = sys.monotonicMs() + SEND_TIMEOUT_MS;
  for (;;) {
    const result = call();
    if (result !== -sys.abi.errno.EINTR || sys.monotonicMs() >= deadlineMs) return result;
    restIfHurried(sys);
  }
}

function pathOf(place: string): string {
  if (place.startsWith('/')) return place;
  if (place.startsWith('@')) return `\0${place.slice(1)}`;
  throw wrongValue(place, 'NOTIFY_SOCKET is a path or an abstract name');
}
