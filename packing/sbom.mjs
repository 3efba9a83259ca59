// The bill of materials of the package, in CycloneDX: what it depends on, and what is joined to it.

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './root.mjs';

/** A heading of the licences of the tools: `name version (licence)`. */
const HEADING = /^(\S+) (\d\S*) \([^)]+\)$/gm;

/** `name@version` of the packages whose code the staged package in `folder` holds. */
function joinedTo(folder) {
  const notices = readFileSync(join(folder, 'dist/tools/THIRD-PARTY-LICENSES'), 'utf8');
  return new Set([...notices.matchAll(HEADING)].map(([, name, version]) => `${name}@${version}`));
}

/** npm calls all but the dependencies of the library `development`; joined code is shipped. */
function shipped({ properties, ...component }) {
  const rest = (properties ?? []).filter(({ name }) => name !== 'cdx:npm:package:development');
  return rest.length === 0 ? component : { ...component, properties: rest };
}

/** Writes the bill of the package that was staged in `folder` to `file`. */
export function writeBill(folder, file) {
  const words = ['sbom', '--sbom-format=cyclonedx', '--package-lock-only'];
  const all = JSON.parse(
    execFileSync('npm', words, { cwd: root, encoding: 'utf8', maxBuffer: 64 * 2 ** 20 }),
  );
  const isDevelopment = ({ properties }) =>
    (properties ?? []).some(({ name }) => name === 'cdx:npm:package:development');
  const joined = joinedTo(folder);
  const kept = all.components.filter(
    (component) => !isDevelopment(component) || joined.has(component['bom-ref']),
  );
  const refs = new Set([all.metadata.component['bom-ref'], ...kept.map((one) => one['bom-ref'])]);
  const dependencies = all.dependencies
    .filter(({ ref }) => refs.has(ref))
    .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((on) => refs.has(on)) }));
  const bill = { ...all, components: kept.map(shipped), dependencies };
  writeFileSync(file, `${JSON.stringify(bill, null, 2)}\n`);
}
