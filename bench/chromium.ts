import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The browser that looks at the reports: Chromium, or Chrome, of this machine. */

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

/** Its path: `CHROMIUM` of the environment, or the first on the PATH; undefined without any. */
export function chromiumPath(): string | undefined {
  const named = process.env['CHROMIUM'];
  if (named !== undefined && named !== '') return named;
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(canRun);
}

function canRun(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    // It is not there, or not ours to run: then the next one is looked for.
    return false;
  }
}
