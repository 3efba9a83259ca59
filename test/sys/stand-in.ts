/** A Sys with some calls of its own; the others go to another Sys. */

import type { Abi } from '#src/sys/abi/abi.js';
import { abis } from '#src/sys/abi/index.js';
import type { Sys } from '#src/sys/sys.js';

export function standIn(sys: Sys, own: Partial<Sys>): Sys {
  return new Proxy(sys, {
    get(target, key) {
      if (Object.hasOwn(own, key)) return Reflect.get(own, key);
      // A list of calls made at once would not see the calls of its own.
      if (key === 'batching') return { reason: 'some calls are replaced' };
      const value: unknown = Reflect.get(target, key);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** The table of a platform, such as `linux-x64`. */
export function abiOf(platform: string): Abi {
  const abi = abis.find((one) => one.platform === platform);
  if (abi === undefined) throw new Error(`there is no table of ${platform}`);
  return abi;
}

/** The table of this machine without what a BSD lacks. */
export function strippedAbi(abi: Abi, accept4 = false): Abi {
  const constants = { ...abi.constants };
  delete constants.SOCK_CLOEXEC;
  delete constants.SOCK_NONBLOCK;
  delete constants.MSG_NOSIGNAL;
  const behaviours = { ...abi.behaviours, accept4, timeoutsBoundAcceptAndConnect: false };
  return { ...abi, constants, behaviours };
}
