import { FaultPlan } from '#sim/faults.js';
import { SimBackend } from '#sim/sim-backend.js';
import { SimSys } from '#sim/sim-sys.js';
import { Random } from '#src/base/random.js';
import type { BackendName } from '#src/loop/backend.js';
import { backends, createBackend } from '#src/loop/backends.js';
import { EventLoop } from '#src/net/event-loop.js';
import { abiFor } from '#src/sys/abi/index.js';
import { nativeSys } from '#src/sys/native.js';
import { openFds } from '#test/harness/leaks.js';
import { checkedSys } from '#test/harness/memory/checked-sys.js';
import type { Environment, EnvironmentOptions, LoopTarget } from './environment.ts';

// The real kernel behind each backend of this machine, with the memory of its calls checked.

/** The longest wait of a turn. */
const TURN_MS = 5;

/** Ten seconds of idle turns; a turn with events is shorter. */
const TURNS_MAX = 2000;

function realEnvironment(
  name: LoopTarget['name'],
  options: EnvironmentOptions = {},
  batch = true,
): Environment {
  const sys = checkedSys(nativeSys());
  const entry = backends.find((one) => one.name === name);
  if (entry === undefined) throw new Error(`there is no backend ${name}`);
  const backend = entry.create(sys, batch);
  const loop = new EventLoop({ ...options, backend, sys });
  const before = openFds();
  return {
    loop,
    backend,
    turnsMax: TURNS_MAX,
    turn: () => loop.turn(TURN_MS),
    nowMs: () => sys.monotonicMs(),
    openDescriptors: () => [...openFds().keys()].filter((fd) => !before.has(fd)).length,
    close: () => loop.close(),
  };
}

const realTargets: readonly LoopTarget[] = backends.map((entry) => ({
  name: entry.name,
  available: entry.available(checkedSys(nativeSys())),
  simulated: false,
  callByCall: false,
  create: (options) => realEnvironment(entry.name, options),
}));

/** Where the calls of a turn are made together unless that is turned off. */
const callByCallTargets: readonly LoopTarget[] = realTargets
  .filter(({ name }) => name === 'epoll' || name === 'poll')
  .map(({ name, available }) => ({
    name: `${name} call by call`,
    available,
    simulated: false,
    callByCall: true,
    create: (options) => realEnvironment(name, options, false),
  }));

/** Simulated turns are cheap, and move small pieces: virtual time passes at once. */
const SIMULATED_TURNS_MAX = 200_000;

/** A fixed seed: every run of the suite is the same. */
const SEED = 20_261_122;

interface SimulatedPlatform {
  readonly name: string;
  readonly platform: string;
  readonly poller: BackendName;
}

const simulatedPlatforms: readonly SimulatedPlatform[] = [
  { name: 'sim io_uring', platform: 'linux', poller: 'io_uring' },
  { name: 'sim epoll', platform: 'linux', poller: 'epoll' },
  { name: 'sim poll', platform: 'linux', poller: 'poll' },
  { name: 'sim select', platform: 'linux', poller: 'select' },
  { name: 'sim kqueue macOS', platform: 'darwin', poller: 'kqueue' },
  { name: 'sim kqueue FreeBSD', platform: 'freebsd', poller: 'kqueue' },
  { name: 'sim kqueue libkqueue', platform: 'linux', poller: 'kqueue' },
  { name: 'sim completions', platform: 'linux', poller: 'simulated' },
];

/** An environment over a simulated kernel of a platform. */
function simulatedEnvironment(
  { platform, poller }: SimulatedPlatform,
  seed: number,
  options: EnvironmentOptions = {},
  faults: FaultPlan = FaultPlan.none,
): Environment & { readonly sys: SimSys } {
  const abi = abiFor(platform, 'x64');
  if (abi === null) throw new Error(`there is no table for ${platform}`);
  const { descriptorsMax, segmentBytesMax } = options;
  const limits = {
    ...(descriptorsMax === undefined ? {} : { descriptorsMax }),
    ...(segmentBytesMax === undefined ? {} : { segmentBytesMax }),
  };
  const sys = new SimSys({ seed, abi, faults, limits });
  const pass = (timeMs: number): void => {
    sys.poll(new Uint8Array(abi.structs.pollfd.size), 0, timeMs);
  };
  const backend =
    poller === 'simulated'
      ? new SimBackend(sys, new Random(seed, 'backend'), pass)
      : createBackend(poller, sys);
  const loop = new EventLoop({ ...options, backend, sys });
  const own = sys.openDescriptors().length;
  return {
    sys,
    loop,
    backend,
    turnsMax: SIMULATED_TURNS_MAX,
    turn: () => loop.turn(TURN_MS),
    nowMs: () => sys.monotonicMs(),
    openDescriptors: () => sys.openDescriptors().length - own,
    close: () => {
      loop.close();
      const left = sys.openDescriptors();
      if (left.length > 0) throw new Error(`descriptors ${left.join(', ')} were left open`);
      const [complaint] = sys.kernel.complaints;
      if (complaint !== undefined) throw new Error(complaint);
      sys.end();
    },
  };
}

const simulatedTargets: readonly LoopTarget[] = simulatedPlatforms.map((one) => ({
  name: one.name,
  available: true,
  simulated: true,
  callByCall: true,
  create: (options) => simulatedEnvironment(one, SEED, options),
}));

export const targets: readonly LoopTarget[] = [
  ...realTargets,
  ...callByCallTargets,
  ...simulatedTargets,
];
