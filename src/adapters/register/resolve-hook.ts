// Without module.registerHooks (before Node 22.15) this module runs in the thread of the hooks, so
// that it imports nothing.

/** What the hook is told by {@link initialize}. */
export interface HookPlaces {
  /** The URLs of the modules that programs get for those of Node. */
  readonly standIns: Readonly<Record<'net' | 'dgram', string>>;
  /** What the URLs of the library begin with: its own `node:net` is Node's. */
  readonly library: string;
}

interface Importer {
  readonly parentURL?: string | undefined;
}

let places: HookPlaces;

/** Node calls it in the thread of the hooks. */
export function initialize(data: HookPlaces): void {
  places = data;
}

/** The URL of what stands in for the module that `specifier` means, null if nothing does. */
export function standInFor(specifier: unknown): string | null {
  switch (specifier) {
    case 'net':
    case 'node:net':
      return places.standIns.net;
    case 'dgram':
    case 'node:dgram':
      return places.standIns.dgram;
    default:
      return null;
  }
}

/** A hook of Node's: resolves what has a stand-in, and passes on everything else. */
export function resolve<Context extends Importer>(
  specifier: string,
  context: Context,
  nextResolve: (specifier: string, context: Context) => unknown,
): unknown {
  const url = standInFor(specifier);
  const isOwn = context.parentURL?.startsWith(places.library) === true;
  if (isOwn || url === null) return nextResolve(specifier, context);
  return { url, format: 'module', shortCircuit: true };
}
