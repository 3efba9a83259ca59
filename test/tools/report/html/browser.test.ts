// Goal: the reports show the figures of their documents: with charts that are drawn, tables with
// the same figures, in the dark, on a narrow screen, on paper and by keyboard alone.
// Method: pages made from fixture documents, opened in a real browser.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { chromiumPath } from '#bench/chromium.js';
import { leakCheck } from '#test/harness/leaks.js';
import { scratch } from '#test/harness/other-programs.js';
import { compareReport } from '#tools/report/html/compare/report.js';
import { loadReport } from '#tools/report/html/load/report.js';
import { compareFixture } from './compare-fixture.ts';
import {
  bars,
  colours,
  cutOff,
  type Drawing,
  drawings,
  faintTexts,
  focused,
  focusFirst,
  folded,
  heldDocument,
  overflowing,
  type ReadTable,
  reachable,
  readoutOf,
  tables,
} from './in-page/look.ts';
import { loadFixture } from './load-fixture.ts';

const executablePath = chromiumPath();
const missing = 'no Chromium on the PATH; CHROMIUM=/path/to/it names one';
const skip = executablePath === undefined && process.env['CI'] === undefined ? missing : false;

/** A chart has its lines, its grid and its words, each with softened edges. */
const COLOURS_MIN = 12;
const FOLLOW_MS = 30_000;
const LOOK_MS = 20;
const A4_PX = 680;
const NARROW_PX = 320;
const COLOUR_NAMES = ['--page', '--ink', '--series-0'];

const load = loadFixture('open');
const compare = compareFixture();
const reports = [
  { name: 'load', document: load, html: loadReport(load), charts: 3, figures: loadFigures },
  {
    name: 'compare',
    document: compare,
    html: compareReport(compare),
    charts: 1,
    figures: compareFigures,
  },
];

let browser: Browser | null = null;
before(async () => {
  if (executablePath !== undefined) browser = await chromium.launch({ executablePath });
});
after(() => browser?.close());

for (const report of reports) {
  test(`report: ${report.name}, in a browser`, { skip, timeout: 60_000 }, async (t) => {
    leakCheck(t);
    assert.ok(browser !== null, missing);
    const file = join(scratch(t), `${report.name}.html`);
    writeFileSync(file, report.html);
    const { page, complaints } = await open(browser, file);
    t.after(() => page.close());
    await t.test('its charts are drawn', () => chartsAreDrawn(page, report.charts));
    await t.test('its tables say what the document says', async () => {
      const found = await page.evaluate(tables);
      for (const { caption, withoutScope } of found) assert.equal(withoutScope, 0, caption);
      report.figures(found);
    });
    await t.test('it can be read', async () => {
      assert.deepEqual(await page.evaluate(faintTexts), []);
      assert.deepEqual(await page.evaluate(overflowing), []);
    });
    await t.test('it turns dark while it is open', () => turnsDark(page));
    await t.test('it is as narrow as the screen', () => isNarrow(page));
    await t.test('it prints whole and light', () => prints(page));
    await t.test('it is reached by keyboard', () => isReachedByKeyboard(page));
    await t.test('it can be read with everything unfolded', () => isReadUnfolded(page));
    await t.test('its document can be saved', () => isSaved(page, report.document));
    assert.deepEqual(complaints, [], 'no error, and nothing is fetched');
  });
}

/** The page, with its complaints and requests. */
async function open(
  browser: Browser,
  file: string,
): Promise<{ readonly page: Page; readonly complaints: string[] }> {
  const page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
  page.setDefaultTimeout(FOLLOW_MS);
  const complaints: string[] = [];
  const url = pathToFileURL(file).href;
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    if (request.url() !== url) complaints.push(`asked for ${request.url()}`);
  });
  await page.goto(url);
  return { page, complaints };
}

async function chartsAreDrawn(page: Page, charts: number): Promise<void> {
  const found = await page.evaluate(drawings);
  assert.equal(found.length, charts);
  for (const { id, colours: count } of found) assert.ok(count >= COLOURS_MIN, `${id}: ${count}`);
  for (const group of await page.evaluate(bars)) {
    assert.ok(group.length > 0);
    const [first] = group;
    assert.ok(first !== undefined && first.width > 20);
    for (const { name, value, width } of group) {
      // The parts of a bar are medians of their own, which add up to about the median of the sum.
      const ratio = width / first.width / (value / first.value);
      assert.ok(Math.abs(ratio - 1) < 0.05, `${name}: ${width} px for ${value}`);
    }
  }
}

async function turnsDark(page: Page): Promise<void> {
  const light = await page.evaluate(colours, COLOUR_NAMES);
  const before = await page.evaluate(drawings);
  await page.emulateMedia({ colorScheme: 'dark' });
  const isNew = ({ sum }: Drawing, index: number): boolean => sum !== before[index]?.sum;
  await drawn(page, (found) => found.every(isNew));
  const dark = await page.evaluate(colours, COLOUR_NAMES);
  for (const [index, name] of COLOUR_NAMES.entries()) {
    assert.notEqual(dark[index], light[index], name);
  }
  for (const { id, colours: count } of await page.evaluate(drawings)) {
    assert.ok(count >= COLOURS_MIN, `${id}: ${count}`);
  }
  assert.deepEqual(await page.evaluate(faintTexts), []);
  await page.emulateMedia({ colorScheme: 'light' });
  await drawn(page, (found) => !found.some(isNew));
}

async function isNarrow(page: Page): Promise<void> {
  const before = page.viewportSize() ?? { width: 1200, height: 900 };
  await page.setViewportSize({ width: NARROW_PX, height: 700 });
  await drawn(page, (found) => found.every(({ width }) => width <= NARROW_PX));
  assert.deepEqual(await page.evaluate(overflowing), []);
  for (const { id, width, colours: count } of await page.evaluate(drawings)) {
    assert.ok(width <= NARROW_PX && count >= COLOURS_MIN, `${id}: ${width} px, ${count} colours`);
  }
  await page.setViewportSize(before);
  await drawn(page, (found) => found.every(({ width }) => width > NARROW_PX));
}

/** Waits for the page, which redraws some time after its screen has changed. */
async function eventually(words: string, holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + FOLLOW_MS;
  while (!(await holds())) {
    assert.ok(performance.now() < end, words);
    await delay(LOOK_MS);
  }
}

function drawn(page: Page, fits: (found: readonly Drawing[]) => boolean): Promise<void> {
  return eventually('the charts stay as they were', async () =>
    fits(await page.evaluate(drawings)),
  );
}

async function prints(page: Page): Promise<void> {
  const light = await page.evaluate(colours, COLOUR_NAMES);
  const before = page.viewportSize() ?? { width: 1200, height: 900 };
  const { closed, all } = await page.evaluate(folded);
  assert.ok(all > 0 && closed === all);
  const isFolded = async (): Promise<boolean> => (await page.evaluate(folded)).closed === all;
  await page.setViewportSize({ width: A4_PX, height: 900 });
  await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
  await eventually('parts stay folded', async () => (await page.evaluate(folded)).closed === 0);
  assert.deepEqual(await page.evaluate(colours, COLOUR_NAMES), light);
  await drawn(page, (found) => found.every(({ width }) => width <= A4_PX));
  assert.deepEqual(await page.evaluate(overflowing), []);
  assert.deepEqual(await page.evaluate(cutOff), []);
  await page.emulateMedia({ media: 'screen', colorScheme: 'light' });
  await page.setViewportSize(before);
  await eventually('what was folded is not folded again', isFolded);
  // Printing has an event as well, and makes pages.
  const pdf = await page.pdf({ format: 'A4' });
  assert.equal(pdf.subarray(0, 5).toString(), '%PDF-');
  await eventually('what was folded is not folded again after printing', isFolded);
}

async function isReachedByKeyboard(page: Page): Promise<void> {
  const summaries = page.locator('summary');
  const count = await summaries.count();
  for (let index = 0; index < count; index += 1) {
    await summaries.nth(index).focus();
    await page.keyboard.press('Enter');
  }
  assert.equal((await page.evaluate(folded)).closed, 0);
  const wanted = await page.evaluate(reachable);
  const reached: string[] = [];
  await page.evaluate(focusFirst);
  for (let step = 0; step < wanted.length; step += 1) {
    if (step > 0) await page.keyboard.press('Tab');
    const at = await page.evaluate(focused);
    assert.ok(at !== null, `after ${reached.length} steps of ${wanted.length}`);
    assert.ok(at.isOutlined, `${at.name} has the focus and does not show it`);
    reached.push(at.name);
  }
  assert.deepEqual(reached, wanted, 'in the order of the page');
  for (const { id } of await page.evaluate(drawings)) {
    const hint = await page.evaluate(readoutOf, id);
    await page.locator(`#${id}`).focus();
    await page.keyboard.press('ArrowRight');
    const first = await page.evaluate(readoutOf, id);
    await page.keyboard.press('End');
    const last = await page.evaluate(readoutOf, id);
    assert.equal(new Set([hint, first, last]).size, 3, `${id}: ${first}, ${last}`);
    assert.match(first, /\d/);
    await page.keyboard.press('Escape');
    assert.equal(await page.evaluate(readoutOf, id), hint);
  }
}

/** After all was unfolded by keyboard. */
async function isReadUnfolded(page: Page): Promise<void> {
  const before = page.viewportSize() ?? { width: 1200, height: 900 };
  assert.equal((await page.evaluate(folded)).closed, 0);
  assert.deepEqual(await page.evaluate(faintTexts), []);
  await page.setViewportSize({ width: NARROW_PX, height: 700 });
  await page.emulateMedia({ colorScheme: 'dark' });
  await drawn(page, (found) => found.every(({ width }) => width <= NARROW_PX));
  assert.deepEqual(await page.evaluate(overflowing), []);
  assert.deepEqual(await page.evaluate(faintTexts), []);
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize(before);
}

async function isSaved(page: Page, document: unknown): Promise<void> {
  assert.deepEqual(JSON.parse(await page.evaluate(heldDocument)), document);
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.locator('#save').click(),
  ]);
  assert.match(download.suggestedFilename(), /^sockloop-(load|compare)-20260131T120005\.json$/);
  assert.deepEqual(JSON.parse(readFileSync(await download.path(), 'utf8')), document);
}

/** The table whose caption begins with `caption`. */
function tableOf(found: readonly ReadTable[], caption: string): ReadTable {
  const table = found.find((one) => one.caption.startsWith(caption));
  assert.ok(table !== undefined, `no table of ${caption}`);
  return table;
}

function loadFigures(found: readonly ReadTable[]): void {
  assert.deepEqual(
    tableOf(found, 'Each interval').rows,
    load.intervals.map((one) => [
      one.startMs / 1000,
      one.durationMs / 1000,
      one.messages,
      (one.messages / one.durationMs) * 1000,
      one.askedPerSecond,
      one.errors,
      one.p50Us,
      one.p99Us,
      one.maxUs,
    ]),
  );
  const all = [load.response, load.service, load.connect];
  assert.deepEqual(tableOf(found, 'Microseconds from').rows, [
    ['count', ...all.map(({ count }) => count)],
    ['least', ...all.map(({ minUs }) => minUs)],
    ['mean', ...all.map(({ meanUs }) => meanUs)],
    ['standard deviation', ...all.map(({ stdDevUs }) => stdDevUs)],
    ...load.response.percentiles.map(({ percentile }, index) => [
      `${percentile} %`,
      ...all.map(({ percentiles }) => percentiles[index]?.us),
    ]),
    ['most', ...all.map(({ maxUs }) => maxUs)],
  ]);
  const bands = tableOf(found, 'Messages of each interval');
  assert.deepEqual(
    bands.rows.map(([, ...counts]) => total(counts)),
    load.heat.counts.map(total),
  );
  const decade = load.heat.edgesUs.indexOf(1000) + 1;
  assert.equal(bands.head[2], '100\u{a0}us to 1\u{a0}ms');
  assert.deepEqual(
    bands.rows.map((row) => total(row.slice(1, 3))),
    load.heat.counts.map((column) => total(column.slice(0, decade))),
  );
  assert.deepEqual(
    tableOf(found, 'Errors by kind').rows.map(([kind, , count]) => [kind, count]),
    Object.entries(load.counts.errors),
  );
  assert.deepEqual(
    tableOf(found, 'The threads').rows.map(([, ...figures]) => figures),
    load.generator.threads.map((thread) => Object.values(thread)),
  );
}

function compareFigures(found: readonly ReadTable[]): void {
  const measured = compare.loops.flatMap((loop) =>
    loop.available ? loop.points.map((point) => ({ name: loop.name, point })) : [],
  );
  const busy = measured.filter(({ point }) => point.idleConnections === 0);
  assert.deepEqual(
    tableOf(found, 'Server CPU per message:').rows,
    busy.map(({ name, point: { connections, median, lower, upper } }) => [
      name,
      connections,
      ...[median, lower, upper].map(({ cpuUsPerMessage }) => cpuUsPerMessage),
      median.userUs,
      median.systemUs,
    ]),
  );
  const curve = tableOf(found, 'Server CPU per message in microseconds');
  for (const [open, ...costs] of curve.rows) {
    const at = measured.filter(({ point: { connections, idleConnections } }) => {
      return connections === compare.plan.besideIdle && connections + idleConnections === open;
    });
    assert.deepEqual(
      costs.filter((cost) => typeof cost === 'number'),
      at.map(({ point }) => point.median.cpuUsPerMessage),
    );
  }
  assert.equal(curve.rows.length, compare.plan.idleConnections.length + 1);
  assert.deepEqual(
    tableOf(found, 'Every point').rows,
    measured.map(({ name, point }) => [
      name,
      point.connections,
      point.idleConnections,
      point.median.messagesPerSecond,
      point.median.cpuUsPerMessage,
      point.median.p50Us,
      point.median.p99Us,
      point.callsPerMessage,
    ]),
  );
  assert.equal(tableOf(found, 'Loops without figures').rows.length, 5);
}

function total(values: readonly (number | string)[]): number {
  return values.reduce<number>((sum, value) => sum + Number(value), 0);
}
