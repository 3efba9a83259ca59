import type { LoadDocument } from '../load/document.ts';
import { mergeDocuments } from '../load/merge.ts';
import { parseDocument } from '../load/parse-document.ts';
import { loadReport } from '../report/html/load-report.ts';
import { readInputFile } from './input-file.ts';
import { parseConditions, type ResultFlags, tellResults } from './load-results.ts';
import { ResultFiles } from './result-files.ts';

/** A day of seconds makes some 10 MB. */
const DOCUMENT_BYTES_MAX = 256 * 1024 * 1024;

/** Adds the documents, and tells the results. Throws an Error where they cannot be added. */
export function merge(paths: readonly string[], flags: ResultFlags): void {
  const conditions = parseConditions(flags.failIf);
  const document = mergeDocuments(paths.map(readDocument), paths);
  using files = new ResultFiles();
  if (flags.report !== undefined) files.open(flags.report, '--report');
  tellResults(document, flags, conditions, () => {
    if (flags.report !== undefined) files.write(flags.report, loadReport(document));
  });
}

function readDocument(path: string): LoadDocument {
  return parseDocument(readInputFile(path, DOCUMENT_BYTES_MAX, `read ${path}`).toString(), path);
}
