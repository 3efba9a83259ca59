// Without module.registerHooks (before Node 22.15) this module runs in the thread of the hooks, so
// that it imports nothing.

/** What the hook is told by {@link initialize}. */
export interface HookPlaces {
  /** The URL of the module that programs get for `node:net`. */
  readonly standIn: string;
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

/** Whether `specifier` means Node's module. */
export function isNodeNet(specifier: unknown): boolean {
  return specifier === 'net' || specifier === 'node:net';
}

/** A hook of Node's: resolves `node:net`, and passes on everything else. */
export function resolve<Context extends Importer>(
  specifier: string,
  context: Context,
  nextResolve: (specifier: string, context: Context) => unknown,
): unknown {
  const isOwn = context.parentURL?.startsWith(places.library) === true;
  if (isOwn || !isNodeNet(specifier)) return nextResolve(specifier, context);
  return { url: places.standIn, format: 'module', shortCircuit: true };
}
