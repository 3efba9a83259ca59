import { availableParallelism, cpus, hostname, release, type } from 'node:os';

/** What kind of machine this is, for a report. */
interface MachineFacts {
  readonly hostname: string;
  /** The model of its first core, or `unknown`. */
  readonly cpu: string;
  /** Cores that this process may use. */
  readonly cores: number;
  /** The kernel's name and release: `Linux 6.1.0`. */
  readonly kernel: string;
}

/** Looks at this machine. */
export function machineFacts(): MachineFacts {
  return {
    hostname: hostname(),
    cpu: cpus()[0]?.model.trim() || 'unknown',
    cores: availableParallelism(),
    kernel: `${type()} ${release()}`,
  };
}
