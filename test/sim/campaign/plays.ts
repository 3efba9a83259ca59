import { type DatagramBug, runDatagrams } from '#test/sim/loop/datagram-game.js';
import { runLoop } from '#test/sim/loop/environment.js';
import type { LoadBug } from '#test/sim/loop/load-bugs.js';
import { runLoad } from '#test/sim/loop/load-game.js';
import type { PlantedBug } from '#test/sim/loop/planted-bugs.js';
import { runRestarts } from '#test/sim/loop/restart-game.js';
import type { RestartBug } from '#test/sim/loop/restart-servers.js';
import type { TargetName } from '#test/sim/loop/targets.js';
import { runThreads, type ThreadBug } from '#test/sim/loop/thread-game.js';
import type { Play } from './story.ts';

/** A seed of a loop with its server, clients and connects. */
export function loopPlay(target: TargetName, seed: number, bug?: PlantedBug): Play {
  const planted = bug === undefined ? {} : { bug };
  return {
    game: target,
    seed,
    variables: `SIM_TARGET=${target}`,
    test: 'loop.test.js',
    run: (options) => runLoop(target, seed, { ...options, ...planted }),
  };
}

/** A seed of datagrams. */
export function datagramPlay(target: TargetName, seed: number, bug?: DatagramBug): Play {
  const planted = bug === undefined ? {} : { bug };
  return {
    game: `datagrams on ${target}`,
    seed,
    variables: `SIM_TARGET=${target}`,
    test: 'datagrams.test.js',
    run: (options) => runDatagrams(target, seed, { ...options, ...planted }),
  };
}

/** A seed of the load client. */
export function loadPlay(target: TargetName, seed: number, bug?: LoadBug): Play {
  const planted = bug === undefined ? {} : { bug };
  return {
    game: `load on ${target}`,
    seed,
    variables: `SIM_TARGET=${target}`,
    test: 'load.test.js',
    run: (options) => runLoad(target, seed, { ...options, ...planted }),
  };
}

/** A seed of servers that are stopped and restarted. Played where no promise job is running. */
export function restartPlay(target: TargetName, seed: number, bug?: RestartBug): Play {
  const planted = bug === undefined ? {} : { bug };
  return {
    game: `restarts on ${target}`,
    seed,
    variables: `SIM_TARGET=${target}`,
    test: 'restart.test.js',
    run: (options) => runRestarts(target, seed, { ...options, ...planted }),
  };
}

/** A seed of threads that are handed connections. Played where no promise job is running. */
export function threadsPlay(target: TargetName, seed: number, bug?: ThreadBug): Play {
  const planted = bug === undefined ? {} : { bug };
  return {
    game: `threads on ${target}`,
    seed,
    variables: `SIM_TARGET=${target}`,
    test: 'threads.test.js',
    run: (options) => runThreads(target, seed, { ...options, ...planted }),
  };
}
