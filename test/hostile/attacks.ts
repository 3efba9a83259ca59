import type { Attack } from './attack.ts';
import { backlogOverflow } from './attacks/backlog-overflow.ts';
import { finEverywhere } from './attacks/fin-everywhere.ts';
import { halfOpen } from './attacks/half-open.ts';
import { hugeLines } from './attacks/huge-lines.ts';
import { longBeginnings } from './attacks/long-beginnings.ts';
import { neverRead } from './attacks/never-read.ts';
import { noDescriptors } from './attacks/no-descriptors.ts';
import { proxyForgeries } from './attacks/proxy-forgeries.ts';
import { resetStorm } from './attacks/reset-storm.ts';
import { samePorts } from './attacks/same-ports.ts';
import { clockSteps, signalStorm, stopAndGo } from './attacks/signals.ts';
import { silent } from './attacks/silent.ts';
import { slowloris } from './attacks/slowloris.ts';
import { udpFlood } from './attacks/udp-flood.ts';
import { zeroWindow } from './attacks/zero-window.ts';

/** All attacks. A new one is a file of its own and a line here. */
export const ATTACKS: readonly Attack[] = [
  silent,
  slowloris,
  neverRead,
  zeroWindow,
  hugeLines,
  longBeginnings,
  halfOpen,
  finEverywhere,
  resetStorm,
  backlogOverflow,
  noDescriptors,
  samePorts,
  proxyForgeries,
  udpFlood,
  stopAndGo,
  signalStorm,
  clockSteps,
];
