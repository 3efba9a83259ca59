/**
 * Puts sockloop under a program's `node:net` and `node:dgram`: `node --import sockloop/register
 * app.js`. It exports nothing; docs/net-compatibility.md says what is covered.
 *
 * @module sockloop/register
 */

import type { Cluster } from 'node:cluster';
import * as nodeModule from 'node:module';
import { fileURLToPath } from 'node:url';
import { type HookPlaces, initialize, resolve, standInFor } from './resolve-hook.ts';

/** What the types of Node 20 lack, and what it has without a word. */
interface Hooks {
  readonly registerHooks?: (hooks: { readonly resolve: typeof resolve }) => void;
  readonly Module: {
    _load(request: unknown, parent: nodeModule.Module | undefined, ...rest: unknown[]): unknown;
  };
}

const places: HookPlaces = {
  standIns: {
    net: new URL('node-net.js', import.meta.url).href,
    dgram: new URL('node-dgram.js', import.meta.url).href,
  },
  library: new URL('../../', import.meta.url).href,
};
const require = nodeModule.createRequire(import.meta.url);

/** The module for `require`, loaded when it is first asked for. */
const load = (standIn: string): unknown => require(fileURLToPath(standIn));

function hookLoaders(): void {
  const { registerHooks, Module } = nodeModule as unknown as Hooks;
  if (registerHooks !== undefined) {
    registerHooks({ resolve });
    return;
  }
  nodeModule.register(new URL('resolve-hook.js', import.meta.url), { data: places });
  // The hooks of Node 20 hear of `import` alone. This method has no documentation, but tracers and
  // mocks have wrapped it for years, so that it stays; and Node 20 gets no other way any more.
  const nodeLoad = Module._load;
  const library = fileURLToPath(places.library);
  Module._load = function loadWithStandIn(this: unknown, request, parent, ...rest) {
    // A loader of TypeScript may have made the library CommonJS.
    const isOwn = parent?.filename?.startsWith(library) === true;
    const standIn = isOwn ? null : standInFor(request);
    if (standIn !== null) return load(standIn);
    return Reflect.apply(nodeLoad, this, [request, parent, ...rest]);
  };
}

function wrapGetBuiltinModule(): void {
  const { getBuiltinModule } = process;
  process.getBuiltinModule = ((id: string) => {
    const standIn = standInFor(id);
    return standIn === null ? getBuiltinModule(id) : load(standIn);
  }) as typeof getBuiltinModule;
}

/** A worker shares the listeners of its primary, which node:net alone can. */
function isClusterWorker(): boolean {
  // A worker has a channel to its primary; loading node:cluster takes 5 ms.
  return process.send !== undefined && (require('node:cluster') as Cluster).isWorker;
}

if (process.versions['bun'] !== undefined) {
  throw new Error('sockloop/register cannot replace node:net on Bun: import sockloop/net instead');
}
if (!isClusterWorker()) {
  initialize(places);
  hookLoaders();
  wrapGetBuiltinModule();
}
