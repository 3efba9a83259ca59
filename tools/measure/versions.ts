import { readFileSync } from 'node:fs';

/** Seen from dist/tools/measure. */
const MANIFEST = '../../../package.json';

/** The version of this package. */
export function sockloopVersion(): string {
  return versionIn(new URL(MANIFEST, import.meta.url));
}

/** The version of the FFI that is installed. */
export function koffiVersion(): string {
  // Its manifest is not among its public names, but lies beside what is.
  const entry = import.meta.resolve('koffi');
  return versionIn(new URL('package.json', entry));
}

function versionIn(manifest: URL): string {
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
}
