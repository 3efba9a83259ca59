import { readFileSync } from 'node:fs';

/** The chart library as it is installed, for a page that holds all it needs. */

interface ChartLibrary {
  readonly script: string;
  readonly css: string;
}

/** Its code under its licence, in a comment. Throws where uPlot is not installed. */
export function chartLibrary(): ChartLibrary {
  const licence = read('uplot/LICENSE').trim();
  const comment = `/*!\n${licence.replaceAll('*/', '* /')}\n*/`;
  return {
    script: `${comment}\n${read('uplot/dist/uPlot.iife.min.js').trim()}`,
    css: read('uplot/dist/uPlot.min.css').trim(),
  };
}

function read(file: string): string {
  return readFileSync(new URL(import.meta.resolve(file)), 'utf8');
}
