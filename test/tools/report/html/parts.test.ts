// Goal: a report is whole whatever the document holds, and shows figures as people read them.
// Method: the parts alone; strings that try to break out, empty documents.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { scratch } from '#test/harness/other-programs.js';
import type { CompareDocument } from '#tools/compare/document.js';
import type { LoadDocument } from '#tools/load/document.js';
import { compareReport } from '#tools/report/html/compare/report.js';
import { loadReport } from '#tools/report/html/load/report.js';
import { html, Markup, scriptJson } from '#tools/report/html/markup.js';
import * as figures from '#tools/report/html/page/figures.js';
import { ends, marks, placeOf } from '#tools/report/html/page/scale.js';
import { pageScript } from '#tools/report/html/page-script.js';
import { styleSheet } from '#tools/report/html/style-sheet.js';
import { leastDistance } from './colour-distance.ts';
import { compareFixture } from './compare-fixture.ts';
import { loadFixture } from './load-fixture.ts';

const HOSTILE = `</script><script>alert(1)</script><!--"'><img src=x onerror=alert(1)>&amp;`;

/** In Oklab, where 0.02 is just seen; beside the colours there are dashes and markers. */
const APART = 0.07;

/** The scripts of a page: two of data, the charts, and what draws them. */
const SCRIPTS = 4;

/** The same document with another text wherever it holds one of these. */
function withTexts<T>(document: T, names: readonly string[], text: string): T {
  const written = JSON.stringify(document, (key, value: unknown) => {
    if (!names.includes(key)) return value;
    return Array.isArray(value) ? value.map(() => text) : text;
  });
  return JSON.parse(written) as T;
}

/** The JSON of the page, and the number of its elements of a kind. */
function dataOf(page: string, id: string): unknown {
  const [, text = ''] = new RegExp(`id="${id}">(.*?)</script>`, 's').exec(page) ?? [];
  return JSON.parse(text);
}

function count(page: string, text: string): number {
  return page.split(text).length - 1;
}

/** The visible part: everything before the scripts. */
function shown(page: string): string {
  return page.slice(page.indexOf('<main>'), page.indexOf('<script'));
}

function assertWhole(page: string): void {
  assert.equal(count(page, '<script'), SCRIPTS);
  assert.equal(count(page, '</script>'), SCRIPTS);
  assert.equal(count(page, '<img'), 0);
  assert.equal(count(page, '<!--'), 0);
  assert.ok(page.startsWith('<!doctype html>\n<html lang="en">\n'));
  assert.ok(page.endsWith('</html>\n'));
  assert.doesNotMatch(shown(page), /\b(NaN|Infinity|undefined|null)\b/);
}

describe('report: strings of the document', () => {
  it('stay text and attributes', () => {
    const entities = new Map([
      ['&amp;', '&'],
      ['&lt;', '<'],
      ['&gt;', '>'],
      ['&quot;', '"'],
      ['&#39;', "'"],
    ]);
    const property = fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const written = html`${text}`.text;
      assert.doesNotMatch(written, /[<>"']/);
      const read = written.replaceAll(/&[^;]+;/g, (entity) => entities.get(entity) ?? '?');
      assert.equal(read, text);
      assert.equal(
        html`<a title="${[text, 1]}">${new Markup('<b>')}</a>`.text,
        `<a title="${written}1"><b></a>`,
      );
    });
    fc.assert(property);
  });

  it('stay within their script', () => {
    const property = fc.property(fc.jsonValue(), fc.constantFrom('', HOSTILE), (value, text) => {
      const { text: written } = scriptJson([value, text]);
      assert.doesNotMatch(written, /</);
      assert.deepEqual(JSON.parse(written), JSON.parse(JSON.stringify([value, text])));
    });
    fc.assert(property);
  });

  it('cannot break a page of a load run', () => {
    const names = ['hostname', 'cpu', 'kernel', 'node', 'sockloop', 'loop', 'reasons', 'host'];
    const document = withTexts(loadFixture(), [...names, 'sourceAddresses'], HOSTILE);
    const page = loadReport(document);
    assertWhole(page);
    assert.deepEqual(dataOf(page, 'document'), document);
  });

  it('cannot break a page of a comparison', () => {
    const names = [
      'hostname',
      'cpu',
      'kernel',
      'node',
      'command',
      'reason',
      'name',
      'words',
      'over',
    ];
    const document = withTexts(compareFixture(), names, HOSTILE);
    const page = compareReport(document);
    assertWhole(page);
    assert.deepEqual(dataOf(page, 'document'), document);
    assert.equal(JSON.stringify(dataOf(page, 'charts')).includes('</script>'), true);
  });
});

describe('report: documents with little in them', () => {
  it('a run without a reply has no chart, and says so', () => {
    const nothing = { ...loadFixture().response, count: 0 };
    const heat = { ...loadFixture().heat, counts: [] };
    const document: LoadDocument = {
      ...loadFixture(),
      response: nothing,
      service: nothing,
      connect: nothing,
      intervals: [],
      heat,
    };
    const page = loadReport(document);
    assertWhole(page);
    assert.deepEqual(dataOf(page, 'charts'), []);
    assert.match(shown(page), /No reply came/);
  });

  it('one second is a chart', () => {
    const { intervals, heat, ...rest } = loadFixture('closed');
    const counts = heat.counts.slice(0, 1);
    const page = loadReport({
      ...rest,
      intervals: intervals.slice(0, 1),
      heat: { ...heat, counts },
    });
    assertWhole(page);
    assert.equal((dataOf(page, 'charts') as unknown[]).length, 3);
  });

  it('a histogram that is none is refused', () => {
    const response = { ...loadFixture().response, histogram: 'HIST' };
    assert.throws(() => loadReport({ ...loadFixture(), response }), Error);
  });

  it('a comparison of one loop has no winner, and one of none has no chart', () => {
    const document = compareFixture();
    const [first] = document.loops;
    assert.ok(first !== undefined);
    const alone: CompareDocument = { ...document, loops: [first], winner: null };
    assertWhole(compareReport(alone));
    assert.doesNotMatch(shown(compareReport(alone)), /ahead|Not measured/);
    const none = compareReport({ ...alone, loops: document.loops.slice(-1) });
    assertWhole(none);
    assert.deepEqual(dataOf(none, 'charts'), []);
  });

  it('a margin within the spread has no winner, and the page says so', () => {
    const document = compareFixture();
    assert.ok(document.winner !== null);
    const page = compareReport({ ...document, winner: { ...document.winner, loop: null } });
    assert.match(shown(page), /Nobody is ahead/);
    assert.match(shown(page), /within the spread/);
  });

  it('without idle connections the curve is over the busy ones', () => {
    const document = compareFixture();
    const page = compareReport({ ...document, plan: { ...document.plan, idleConnections: [] } });
    const [curve] = dataOf(page, 'charts') as { readonly xs: readonly number[] }[];
    assert.deepEqual(curve?.xs, document.plan.connections);
  });
});

describe('report: figures', () => {
  it('are read as people write them', () => {
    const space = '\u{a0}';
    assert.equal(figures.grouped(1_234_567.891, 2), '1,234,567.89');
    assert.equal(figures.fixed(1234.5, 2), '1,234.50');
    assert.equal(figures.grouped(-1234), '-1,234');
    const times = [0, 0.25, 7.126, 87.25, 999.4, 999.6, 1240, 25_000, 2_500_000, 90_000_000];
    const expected = ['0 us', '250 ns', '7.13 us', '87.3 us', '999 us', '1.00 ms', '1.24 ms'];
    const words = times.map((us) => figures.timeWords(us));
    assert.deepEqual(
      words.map((text) => text.replace(space, ' ')),
      [...expected, '25.0 ms', '2.50 s', '90.0 s'],
    );
    assert.equal(figures.markTimeWords(1500), `1.50${space}ms`.replace('0', ''));
    assert.equal(figures.markTimeWords(100), `100${space}us`);
    const percentiles = [0, 50, 90, 99, 99.9, 99.99, 99.999, 73.72, 100];
    assert.deepEqual(percentiles.map(figures.percentileWords), [
      '0',
      '50',
      '90',
      '99',
      '99.9',
      '99.99',
      '99.999',
      '73.7',
      '100',
    ]);
    const rate = figures.valueWords(48_201.4, 'perSecond');
    assert.deepEqual([rate, figures.valueWords(12, 'seconds')], ['48,201/s', `12${space}s`]);
  });
});

describe('report: axes', () => {
  const words = (axis: Parameters<typeof marks>[0], low: number, high: number, room = 6) =>
    marks(axis, low, high, room).map((mark) => mark.words.replace('\u{a0}', ' '));

  it('have marks at round values', () => {
    const count = { scale: 'linear', unit: 'count', share: 1 } as const;
    assert.deepEqual(words(count, 0, 28_000), [
      '0',
      '5,000',
      '10,000',
      '15,000',
      '20,000',
      '25,000',
    ]);
    assert.deepEqual(words({ ...count, share: 0.3 }, 0, 14.4), ['0', '2', '4']);
    const log = { scale: 'log', unit: 'count', share: 1 } as const;
    assert.deepEqual(words(log, 1.9, 4.1), ['100', '1,000', '10,000']);
    assert.deepEqual(words(log, 0.6, 2.1), ['5', '10', '20', '50', '100']);
    const percentile = { scale: 'percentile', unit: 'percentile', share: 1 } as const;
    assert.deepEqual(words(percentile, 0, 4.2), ['0', '50', '90', '99', '99.9', '99.99']);
  });

  it('have some marks whatever they reach to, in order and between the ends', () => {
    const value = fc.double({ min: 1e-3, max: 1e12, noNaN: true });
    const kind = fc.constantFrom('linear' as const, 'log' as const);
    const property = fc.property(value, value, kind, (a, b, scale) => {
      const axis = { scale, unit: 'count', share: 1 } as const;
      const places = [a, b].map((one) => placeOf(one, scale) ?? 0);
      const [low, high] = ends(Math.min(...places), Math.max(...places), axis);
      assert.ok(low < high);
      const found = marks(axis, low, high, 6).map(({ place }) => place);
      assert.ok(found.length >= 1 && found.length <= 40, `${found.length} marks`);
      assert.deepEqual(
        found,
        found.toSorted((x, y) => x - y),
      );
      assert.ok(found.every((place) => place >= low - 1e-6 && place <= high + 1e-6));
    });
    fc.assert(property);
  });

  it('know what has no place', () => {
    assert.equal(placeOf(0, 'log'), null);
    assert.equal(placeOf(99.9, 'percentile')?.toFixed(6), '3.000000');
    assert.ok((placeOf(100, 'percentile') ?? 0) > 6);
  });
});

describe('report: colours', () => {
  it('of the lines stay apart in every eye, by day and by night', () => {
    for (const which of [0, 1]) {
      const found = Array.from({ length: 7 }, (_, index) => {
        const all = [...styleSheet.matchAll(new RegExp(`--series-${index}: (#[0-9a-f]{6})`, 'g'))];
        return all[which]?.[1] ?? '';
      });
      assert.ok(leastDistance(found) > APART, `${found.join(' ')}: ${leastDistance(found)}`);
    }
    assert.ok(leastDistance(['#a0a000', '#c08000', '#0000ff']) < APART, 'red and green alike');
  });
});

describe('report: the script of a page', () => {
  it('is its modules, each with its own names, once', (t) => {
    const directory = scratch(t);
    const write = (name: string, text: string): void => writeFileSync(join(directory, name), text);
    write(
      'a.js',
      `import { b as first, two } from './b.js';
import { c } from './c.js';
const own = 'a';
found.push(own, first(), two, c);
//# sourceMappingURL=a.js.map
`,
    );
    write(
      'b.js',
      `import { c } from './c.js';
const own = 'b';
export function b() { return own + c; }
export const two = 2;
`,
    );
    write('c.js', `found.push('c runs');\nexport const c = 'c';\nexport {};\n`);
    const found: unknown[] = [];
    const script = pageScript(pathToFileURL(join(directory, 'a.js')));
    runInNewContext(script, { found });
    assert.deepEqual(found, ['c runs', 'a', 'bc', 2, 'c']);
    assert.doesNotMatch(script, /sourceMappingURL/);
  });

  it('takes no form of module that it does not know', (t) => {
    const directory = scratch(t);
    const path = join(directory, 'a.js');
    const forms = [
      "import * as b from './b.js';",
      "import b from './b.js';",
      "import './b.js';",
      "import { b } from 'b';",
      "export * from './b.js';",
      'export default 1;',
      'export { b as c };',
    ];
    for (const form of forms) {
      writeFileSync(path, `const b = 1;\n${form}\n`);
      assert.throws(() => pageScript(pathToFileURL(path)), /cannot be in a page/, form);
    }
    writeFileSync(path, "import { a } from './a.js';\n");
    assert.throws(() => pageScript(pathToFileURL(path)), /imports itself/);
  });
});

describe('a small report', () => {
  it('draws the curve of a single message', () => {
    const made = loadFixture();
    const one = { ...made, response: { ...made.response, count: 1 } };
    const charts = dataOf(loadReport(one), 'charts') as {
      readonly id: string;
      readonly series: readonly { readonly values: readonly (number | null)[] }[];
    }[];
    const curve = charts.find(({ id }) => id === 'percentiles')?.series[0];
    assert.ok((curve?.values.filter((value) => value !== null).length ?? 0) > 1);
  });

  it('keeps the marks of percentiles apart', () => {
    const axis = { scale: 'percentile', unit: 'percentile', share: 1 } as const;
    const words = (room: number): string[] => marks(axis, 0, 5, room).map((mark) => mark.words);
    assert.equal(words(4)[1], '90');
    assert.equal(words(12)[1], '50');
  });
});
