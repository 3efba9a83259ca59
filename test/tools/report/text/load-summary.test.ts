// Goal: the summary shows what ran and its results, in a terminal of any width.
// Method: fixture results, their lines read at several widths.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ERROR_KINDS, type LoadDocument } from '#tools/load/document.js';
import { mergeDocuments } from '#tools/load/result/merge.js';
import { loadSummary } from '#tools/report/text/load-summary.js';
import { loadFixture, openLoop, planFixture } from '../../load/document-fixture.ts';

const plain = (_: string, text: string): string => text;

function summary(document: LoadDocument, width = 80): string {
  return loadSummary(document, { width, paint: plain }).join('\n');
}

const closed = loadFixture();
const open = loadFixture({ plan: planFixture({ model: openLoop(5000) }) });

test('summary: a closed loop', () => {
  assert.equal(
    summary(closed),
    `closed loop against 127.0.0.1:7007, 2 s

  load        one message in flight per connection, 64 bytes each, mode echo
  client      50 connections on 2 threads, epoll
  machine     one: Some CPU at 2 GHz, 2 cores, Linux 6.18.1, node 20.20.2,
              sockloop 0.1.0

  rate        2.50/s, 5.50 us of CPU per message
  answered    5 messages in 2 s, 320 bytes out, 320 bytes in
  errors      none

  time           service
  p50             400 us  ==
  p90            8.00 ms  ========================================
  p99            8.00 ms  ========================================
  p99.9          8.00 ms  ========================================
  max            8.00 ms  ========================================

  generator   thread 1: 43 % busy
              thread 2: 43 % busy

VALID`,
  );
});

test('summary: an open loop has two columns, and the lag of its threads', () => {
  const text = summary(open);
  assert.match(text, /^open loop against 127.0.0.1:7007, 2 s$/m);
  assert.match(text, /^ {2}load {8}5,000\/s, uniform arrivals, 64 bytes each, mode echo$/m);
  assert.match(text, /^ {2}rate {8}2.50\/s of 5,000\/s asked \(0.05 %\), /m);
  assert.match(text, /^ {2}time {10}response {4}service$/m);
  assert.match(text, /^ {2}p50 {13}400 us {5}200 us {2}==$/m);
  assert.match(text, /thread 2: 43 % busy, sent later than due: p99 82.0 us, max 1.24 ms$/m);
});

test('summary: only the errors that happened, each in words', () => {
  const text = summary(loadFixture({ errors: { reset: 3, timeout: 1200 } }));
  assert.match(text, /^ {2}errors {6}3 reset, 1,200 timed out waiting for a reply$/m);
  const errors = Object.fromEntries(ERROR_KINDS.map((kind, index) => [kind, index + 1]));
  const all = summary(loadFixture({ errors })).replace(/\s+/g, ' ');
  for (const number of ERROR_KINDS.keys()) {
    assert.match(all, new RegExp(`errors .*\\b${number + 1} [a-z].* time service`));
  }
});

test('summary: the plan, in the words of whoever asked for it', () => {
  const table: [Parameters<typeof planFixture>[0], RegExp][] = [
    [{ endpoint: { host: '::1', port: 7 } }, /^closed loop against \[::1\]:7,/],
    [{ endpoint: { host: null, port: 7 } }, /^closed loop against localhost:7,/],
    [{ endpoint: { path: '/tmp/a' } }, /^closed loop against \/tmp\/a,/],
    [{ endpoint: { path: '\0a' } }, /^closed loop against @a,/],
    [{ model: { kind: 'closed', pipeline: 8 } }, /load {8}8 messages in flight per connection,/],
    [{ messagesPerConnection: 1 }, /a\s+new\s+connection\s+after\s+every\s+message\n/],
    [{ messagesPerConnection: 9 }, /a\s+new\s+connection\s+after\s+every\s+9\s+messages/],
    [{ message: { kind: 'given', base64: 'AAAA', source: 'a.bin' } }, / 3 bytes each \(a.bin\)/],
    [{ mode: 'once' }, /mode once$/m],
    [{ idleConnections: 1000 }, /50 connections and 1,000 idle on 2 threads/],
    [{ connections: 1, threads: 1 }, /1 connection on 1 thread, epoll$/m],
  ];
  for (const [changes, pattern] of table) {
    assert.match(summary(loadFixture({ plan: planFixture(changes) })), pattern);
  }
});

test('summary: stages one by one, or their range', () => {
  const stagesOf = (...rates: number[]) =>
    loadFixture({
      plan: planFixture({
        model: {
          kind: 'open',
          arrivals: 'poisson',
          stages: rates.map((ratePerSecond) => ({ durationMs: 500, ratePerSecond })),
        },
      }),
    });
  assert.match(
    summary(stagesOf(1000, 2000)),
    /load {8}1,000\/s for 0.5 s, then 2,000\/s for 0.5 s, poisson arrivals,/,
  );
  assert.match(summary(stagesOf(1, 2, 9, 3, 4)), /load {8}5 stages of 1\/s to 9\/s, poisson/);
});

test('summary: connections per second where messages need new ones', () => {
  assert.doesNotMatch(summary(closed), /connected/);
  const churn = loadFixture({ plan: planFixture({ messagesPerConnection: 1 }) });
  assert.match(summary(churn), /^ {2}connected {3}1\/s, p50 100 us, p99 100 us to connect$/m);
});

test('summary: a run that was ended early, one that has nothing, one that is invalid', () => {
  const early = { ...closed, endedEarly: true, measuredMs: 1234 };
  assert.match(summary(early), /^closed loop .*, 2 s, ended early after 1.2 s$/m);
  const none = summary(loadFixture({ timesMs: [[], []] }));
  assert.match(none, /latency {5}no reply, so none was measured$/m);
  assert.doesNotMatch(none, /NaN|Infinity|undefined/);
  const reasons = ['the first reason', 'the second'];
  const invalid = { ...closed, verdict: { valid: false, reasons } };
  assert.match(summary(invalid), /\n\nINVALID: the first reason\n {2}the second$/);
  const remark = { ...closed, verdict: { valid: true, reasons } };
  assert.match(summary(remark), /\n\nVALID: the first reason\n {2}the second$/);
});

test('summary: several machines, many threads', () => {
  const merged = summary(
    mergeDocuments([loadFixture({ timesMs: [[1], [1]] }), loadFixture({ hostname: 'two' })]),
  );
  assert.match(merged, /^ {2}machines {4}one: .*\n.*\n {14}two: /m);
  const many = loadFixture({ plan: planFixture({ threads: 5, model: openLoop(10) }) });
  assert.match(
    summary(many),
    /^ {2}generator {3}5 threads, each 43 % to 43 % busy, p99 of the lag up to 82.0 us$/m,
  );
});

test('summary: no line is wider than the terminal', () => {
  const long = Array(4).fill('a reason that takes more than a line of any terminal').join(', ');
  for (const document of [closed, open, loadFixture({ timesMs: [[], []] })]) {
    const wordy = { ...document, verdict: { valid: false, reasons: [long, long] } };
    for (const width of [40, 60, 80, 100, 120]) {
      for (const line of summary(wordy, width).split('\n')) {
        assert.ok(line.length <= width, `${width} columns: ${line}`);
        assert.equal(line, line.trimEnd());
      }
    }
  }
});

test('summary: what a foreign file says cannot drive the terminal', () => {
  const sequence = '\u001b[2J\u0007\n';
  const [machine] = closed.machines;
  assert.ok(machine !== undefined);
  const evil = {
    ...closed,
    plan: planFixture({ endpoint: { host: `a${sequence}`, port: 1 } }),
    machines: [{ ...machine, hostname: `h${sequence}`, cpu: sequence }],
    verdict: { valid: false, reasons: [`why${sequence}`] },
  };
  assert.match(summary(evil), /h\?\[2J\?\?/);
  assert.doesNotMatch(summary(evil).replaceAll('\n', ''), /\p{Cc}/u);
});

test('summary: each part has its role, which changes no letter', () => {
  const roles = new Set<string>();
  const marked = loadSummary(closed, {
    width: 80,
    paint: (role, text) => {
      roles.add(role);
      return `<${role}>${text}</${role}>`;
    },
  });
  assert.deepEqual([...roles].toSorted(), ['bar', 'figure', 'good', 'label', 'title']);
  const bare = marked.map((line) => line.replace(/<\/?[a-z]+>/g, '')).join('\n');
  assert.equal(bare, summary(closed));
});

test('load summary: connections that were lost, and what went wrong before it counted', () => {
  const load = loadFixture();
  const lost = { reset: 290, closed: 6, timeout: 0, mismatch: 0 };
  const errors = { ...load.warmup.errors, timeout: 103 };
  const text = summary({
    ...load,
    counts: { ...load.counts, connections: 346, lost, replaced: 296 },
    warmup: { errors, lost: { ...lost, closed: 0 }, replaced: 289 },
  });
  const line = text.replace(/\n {14}/g, ' ');
  const resets = '290 reset by the server';
  const measured = `${resets}, 6 closed by the server, 296 replaced; 346 in all for 50 places`;
  assert(line.includes(`\n  connections ${measured}\n`), line);
  const before = `103 timed out waiting for a reply; connections ${resets}, 289 replaced`;
  assert(line.includes(`\n  warm-up     ${before}\n`), line);
});
