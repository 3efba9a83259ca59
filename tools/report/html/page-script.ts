import { readFileSync } from 'node:fs';

/** The modules of page/ as one script that needs no server: a page from disk cannot import any. */

const IMPORT = /^import \{([^}]*)\} from '(\.\/[^']+)';$/gm;
const EXPORT = /^export (?=(?:async )?(?:function\*?|const|let|class) (\w+))/gm;
/** What the compiler adds to a module, and no page needs. */
const LEFT_OUT = /^(export \{\};|\/\/# sourceMappingURL=.*)$/gm;

/**
 * The compiled module `entry` and all that it imports, each in a function of its own.
 *
 * Throws an Error with the line where a module imports or exports in a form that is not `import {
 * name } from './file.js'` or the export of a declaration, and where modules import in a circle.
 */
export function pageScript(entry: URL): string {
  const names = new Map<string, string>();
  const parts: string[] = [];
  const add = (url: URL, importers: readonly string[]): string => {
    const known = names.get(url.href);
    if (known !== undefined) return known;
    if (importers.includes(url.href)) throw new Error(`${url.href} imports itself, by others`);
    const text = readFileSync(url, 'utf8').replaceAll(LEFT_OUT, '');
    const exported = [...text.matchAll(EXPORT)].map(([, name]) => name);
    const body = text.replaceAll(EXPORT, '').replaceAll(IMPORT, (_, list: string, file: string) => {
      const from = add(new URL(file, url), [...importers, url.href]);
      return `const {${list.replaceAll(' as ', ': ')}} = ${from};`;
    });
    const strange = /^(?:import|export)\b.*$/m.exec(body)?.[0];
    if (strange !== undefined) throw new Error(`${url.href} cannot be in a page: ${strange}`);
    const name = `module${parts.length}`;
    names.set(url.href, name);
    parts.push(
      `const ${name} = (() => {\n${body.trim()}\nreturn { ${exported.join(', ')} };\n})();`,
    );
    return name;
  };
  add(entry, []);
  return `(() => {\n'use strict';\n${parts.join('\n')}\n})();`;
}
