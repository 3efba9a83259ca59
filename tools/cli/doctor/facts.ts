import { fstatSync } from 'node:fs';
import { availableParallelism, release, type } from 'node:os';
import { isatty } from 'node:tty';
import { nativeSys, type Sys } from 'sockloop/sys';
import { machineCodeFor } from '#src/sys/batch/executable-page.js';
import { koffiVersion, sockloopVersion } from '../../measure/versions.ts';
import { autoLoop, type LoopFacts, loopFacts } from '../loop-facts.ts';
import { type LimitFacts, limitFacts } from './limits.ts';

/** The document of `sockloop doctor --json`. A change that breaks a reader raises `version`. */
export interface DoctorFacts {
  readonly version: 1;
  readonly versions: { readonly sockloop: string; readonly node: string; readonly koffi: string };
  readonly platform: {
    /** The table of constants and layouts in use: `linux-x64`. */
    readonly table: string;
    /** The kernel's name: `Linux`. */
    readonly system: string;
    readonly release: string;
    /** The cores this process may use. */
    readonly cores: number;
  };
  readonly streams: Readonly<Record<'stdin' | 'stdout' | 'stderr', StreamKind>>;
  /** Every loop, best first. */
  readonly loops: readonly LoopFacts[];
  /** The loop that `auto` takes; null if there is none. */
  readonly auto: LoopFacts['name'] | null;
  /** How the loops over a poller make their system calls. */
  readonly systemCalls: SystemCallFacts;
  readonly limits: readonly LimitFacts[];
}

/** Whether the system calls of a turn are made together, in one foreign call. */
interface SystemCallFacts {
  readonly inBatches: boolean;
  /** The size of the machine code that makes them; null if they are made one by one. */
  readonly machineCodeBytes: number | null;
  /** Why they are made one by one; null if they are not. */
  readonly reason: string | null;
}

/** The type of a standard stream. */
type StreamKind = 'terminal' | 'pipe' | 'socket' | 'file' | 'device' | 'closed';

/** Inspects this machine. Throws an Error if there is no table for its platform. */
export function doctorFacts(): DoctorFacts {
  const sys = nativeSys();
  const loops = loopFacts(sys);
  return {
    version: 1,
    versions: {
      sockloop: sockloopVersion(),
      node: process.versions.node,
      koffi: koffiVersion(),
    },
    platform: {
      table: sys.abi.platform,
      system: type(),
      release: release(),
      cores: availableParallelism(),
    },
    streams: { stdin: kindOf(0), stdout: kindOf(1), stderr: kindOf(2) },
    loops,
    auto: autoLoop(loops),
    systemCalls: systemCallFacts(sys),
    limits: limitFacts(sys),
  };
}

function systemCallFacts({ abi, batching }: Sys): SystemCallFacts {
  if (batching !== true) return { inBatches: false, machineCodeBytes: null, ...batching };
  const machineCodeBytes = machineCodeFor(abi)?.bytes.length ?? null;
  return { inBatches: true, machineCodeBytes, reason: null };
}

function kindOf(fd: number): StreamKind {
  try {
    if (isatty(fd)) return 'terminal';
    const stat = fstatSync(fd);
    if (stat.isFIFO()) return 'pipe';
    if (stat.isSocket()) return 'socket';
    return stat.isFile() ? 'file' : 'device';
  } catch {
    return 'closed';
  }
}
