import type { LoadDocument } from '../../load/document.ts';
import { mergeDocuments } from '../../load/result/merge.ts';
import { parseDocument } from '../../load/result/parse-document.ts';
import { loadReport } from '../../report/html/load/report.ts';
import { readInputFile } from '../../terminal/input-file.ts';
import { ResultFiles } from '../../terminal/result-files.ts';
import { parseConditions, type ResultFlags, tellResults } from '../load/results.ts';

/** A day of seconds makes some 10 MB. */
const DOCUMENT_BYTES_MAX = 256 * 1024 * 1024;

/** Adds the documents and prints the results. Throws an Error if they cannot be added. */
export function merge(paths: readonly string[], flags: ResultFlags): void {
  const conditions = parseConditions(flags.failIf);
  const document = mergeDocuments(paths.map(readDocument), paths);
  using files = new ResultFiles();
  if (flags.report !== undefined) files.open(flags.report, '--report');
  tellResults(document, flags, conditions, () => {
    if (flags.report !== undefined) files.write(flags.report, loadReport(document));
  });
}

/** Decodes UTF-8, or UTF-16 with a byte-order mark, as some shells write redirected output. */
function decodeText(bytes: Buffer): string {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return bytes.toString('utf16le');
  if (first === 0xfe && second === 0xff && bytes.length % 2 === 0) {
    return Buffer.from(bytes).swap16().toString('utf16le');
  }
  return bytes.toString();
}

function readDocument(path: string): LoadDocument {
  const bytes = readInputFile(path, DOCUMENT_BYTES_MAX, `read ${path}`);
  return parseDocument(decodeText(bytes), path);
}
