import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeFromCompressedBase64, HistogramLogReader } from 'hdr-histogram-js';
import { leakCheck } from '#test/harness/leaks.js';
import type { LoadDocument } from '#tools/load/document.js';
import { type LoadProgress, startLoad } from '#tools/load/engine/run.js';
import type { LoadPlan } from '#tools/load/plan.js';
import { hdrLog } from '#tools/load/record/hdr-log.js';
import { errorsOf, openPlan, percentileUs, planFor, serve, sharedServers } from '../servers.ts';

const servers = sharedServers('echo');

// The machine may be busy: assertions about times hold on a slow one too, or wherever the run is
// valid.

/** Asserts that every message that was due came back, and the rate of a valid run. */
function checkRate(document: LoadDocument, perSecond: number): void {
  const { counts, generator, measuredMs, verdict } = document;
  assert.deepEqual(errorsOf(document), {});
  assert.equal(counts.messages, Math.round((perSecond * measuredMs) / 1000));
  assert.equal(generator.askedPerSecond, perSecond);
  const off = Math.abs(generator.achievedPerSecond / perSecond - 1);
  const edges = (2 * 1000) / measuredMs / perSecond;
  if (verdict.valid) assert(off <= 0.005 + edges, `${off * 100} % off, and valid`);
}

test('rates from 10 to 20,000 a second: every message that was due came back', async (t) => {
  leakCheck(t);
  const port = servers.port('echo');
  for (const [perSecond, durationMs, threads] of [
    [10, 1000, 1],
    [1, 2000, 3],
    [1000, 400, 1],
    [20_000, 300, 2],
  ] as const) {
    const plan = openPlan(port, perSecond, durationMs, {
      threads,
      timeoutMs: 10_000,
      warmupMs: 100,
    });
    checkRate(await startLoad(plan).done, perSecond);
  }
});

test('stages, a ramp, Poisson arrivals', async (t) => {
  leakCheck(t);
  const port = servers.port('echo');
  const stages = [
    { durationMs: 500, ratePerSecond: 100 },
    { durationMs: 500, ratePerSecond: 300 },
  ];
  const changes = { durationMs: 1000, warmupMs: 200, rampMs: 200, timeoutMs: 10_000 };
  const uniform = await startLoad(
    planFor(port, { ...changes, model: { kind: 'open', arrivals: 'uniform', stages } }),
  ).done;
  assert.equal(uniform.counts.messages, 200);
  assert.equal(uniform.intervals[0]?.askedPerSecond, 200);
  const poisson = await startLoad(
    planFor(port, { ...changes, model: { kind: 'open', arrivals: 'poisson', stages } }),
  ).done;
  // Three standard deviations around 200; the seed is fixed.
  assert(Math.abs(poisson.counts.messages - 200) < 43, `${poisson.counts.messages}`);
});

test('a stall of a second shows in the response times; service times would hide it', async (t) => {
  leakCheck(t);
  const { port } = await serve(t, { kind: 'stall', afterMs: 800, stallMs: 1000 });
  // One message for each connection: messages due in the stall wait on this side.
  const plan = openPlan(port, 400, 3000, { messagesPerConnection: 1, timeoutMs: 10_000 });
  const document = await startLoad(plan).done;
  assert.deepEqual(errorsOf(document), {});
  assert.equal(document.counts.messages, 1200);
  const { response, service } = document;
  // A third of the messages was due in the stall, evenly spread over it.
  assert(percentileUs(response, 99) > 800_000, `response: ${percentileUs(response, 99)} us`);
  assert(percentileUs(response, 75) > 150_000, `response: ${percentileUs(response, 75)} us`);
  // Four messages had been sent when it began: a third of a percent.
  const hidden = percentileUs(service, 99);
  assert(hidden < percentileUs(response, 99) / 2, `service: ${hidden} us`);
  assert(service.maxUs > 900_000);
});

test('a closed loop cannot see that stall, and an open loop that pipelines does', async (t) => {
  leakCheck(t);
  const closedServer = await serve(t, { kind: 'stall', afterMs: 300, stallMs: 600 });
  const closed = await startLoad(planFor(closedServer.port, { durationMs: 1200 })).done;
  assert(percentileUs(closed.response, 90) < 300_000, `${percentileUs(closed.response, 90)} us`);
  const openServer = await serve(t, { kind: 'stall', afterMs: 300, stallMs: 600 });
  const open = await startLoad(openPlan(openServer.port, 1000, 1500, { timeoutMs: 10_000 })).done;
  assert.equal(open.counts.messages, 1500);
  assert(percentileUs(open.response, 90) > 300_000, `${percentileUs(open.response, 90)} us`);
});

test('the percentiles are those that the server has measured itself', async (t) => {
  leakCheck(t);
  const server = await serve(t, { kind: 'delay' });
  const plan = openPlan(server.port, 200, 2000, { connections: 16, timeoutMs: 10_000 });
  const document = await startLoad(plan).done;
  const { service, counts, verdict } = document;
  const delaysMs = [...(await server.stop())].sort((a, b) => a - b);
  assert.deepEqual(errorsOf(document), {});
  assert.equal(counts.messages, 400);
  assert.equal(delaysMs.length, 400);
  // The network adds its time, and a busy machine more, if the run is invalid.
  const slackMs = verdict.valid ? 15 : 200;
  for (const percentile of [50, 75, 95]) {
    const thereMs = delaysMs[Math.ceil((percentile / 100) * 400) - 1] ?? 0;
    const hereMs = percentileUs(service, percentile) / 1000;
    assert(hereMs >= thereMs * 0.998, `${percentile}: ${hereMs} ms here, ${thereMs} ms there`);
    assert(hereMs < thereMs + slackMs, `${percentile}: ${hereMs} ms here, ${thereMs} ms there`);
  }
});

test('stop() ends a run at once, in every phase, and it still reports', async (t) => {
  leakCheck(t);
  const port = servers.port('echo');
  for (const changes of [{}, { warmupMs: 60_000 }, { startAtMs: Date.now() + 60_000 }]) {
    // A closed loop takes the cores once it sends.
    const open = (p: number, c: object): LoadPlan => openPlan(p, 5, 60_000, c);
    for (const make of 'warmupMs' in changes ? [open] : [planFor, open]) {
      const counts = Object.keys(changes).length === 0;
      let goOn = (): void => undefined;
      const underWay = new Promise<void>((resolve) => {
        goOn = resolve;
      });
      const run = startLoad(make(port, { durationMs: 60_000, ...changes }), {
        progress: ({ messages, connections }) => {
          if (counts ? messages > 0 : connections === 4) goOn();
        },
      });
      await underWay;
      const stoppedMs = performance.now();
      run.stop();
      run.stop();
      const document = await run.done;
      assert(performance.now() - stoppedMs < 10_000, 'it took long to end');
      assert.equal(document.endedEarly, true);
      assert.deepEqual(errorsOf(document), {});
      assert.equal(document.counts.messages > 0, counts);
      assert.equal(
        document.verdict.reasons.some((words) => /before its time/.test(words)),
        true,
      );
    }
  }
});

test('two clients at once are two runs', async (t) => {
  leakCheck(t);
  const port = servers.port('echo');
  const runs = [openPlan(port, 300, 800), openPlan(port, 500, 800, { seed: 8 })].map((plan) =>
    startLoad({ ...plan, timeoutMs: 10_000 }),
  );
  const [one, other] = await Promise.all(runs.map((run) => run.done));
  assert.equal(one?.counts.messages, 240);
  assert.equal(other?.counts.messages, 400);
});

test('the progress goes through the phases, and its numbers only grow', async (t) => {
  leakCheck(t);
  const port = servers.port('echo');
  const seen: LoadProgress[] = [];
  const plan = openPlan(port, 100, 1600, { warmupMs: 1200, rampMs: 600, timeoutMs: 10_000 });
  const run = startLoad(plan, { progress: (now) => seen.push(now) });
  await run.done;
  const order = ['connecting', 'ramp', 'warmup', 'measuring', 'ending'];
  const phases = seen.map(({ phase }) => order.indexOf(phase));
  assert.deepEqual(
    phases,
    phases.toSorted((a, b) => a - b),
  );
  assert(phases.includes(3), 'nobody has seen it measure');
  for (const [index, now] of seen.entries()) {
    assert.equal(now.totalMs, 2800);
    assert(now.messages >= (seen[index - 1]?.messages ?? 0));
    if (now.phase === 'measuring') assert.equal(now.connections, 4);
  }
});

test('the interval log can be read, and holds every message', async (t) => {
  leakCheck(t);
  const port = servers.port('echo');
  const run = startLoad(openPlan(port, 200, 2000, { timeoutMs: 10_000, threads: 2 }));
  const document = await run.done;
  const text = hdrLog(run.intervalHistograms, document.startedAt);
  assert.match(text, /^#\[.*\]\n#\[Histogram log format version 1\.3\]\n#\[StartTime: \d+\.\d+ /);
  const reader = new HistogramLogReader(text);
  let messages = 0;
  let startSeconds = 0;
  for (let next = reader.nextIntervalHistogram(); next; next = reader.nextIntervalHistogram()) {
    messages += next.totalCount;
    assert(next.startTimeStampMsec >= startSeconds);
    startSeconds = next.startTimeStampMsec;
  }
  assert.equal(messages, 400);
  const whole = decodeFromCompressedBase64(document.response.histogram, 64);
  assert.equal(whole.totalCount, 400);
});

test('a run begins when it is told to', async (t) => {
  leakCheck(t);
  const port = servers.port('echo');
  // Threads start late on a busy machine.
  const startAtMs = Date.now() + 2500;
  const document = await startLoad(openPlan(port, 100, 200, { startAtMs, timeoutMs: 10_000 })).done;
  assert.equal(Date.parse(document.startedAt), startAtMs);
  const late = await startLoad(openPlan(port, 100, 200, { startAtMs, timeoutMs: 10_000 })).done;
  assert.match(late.verdict.reasons.join(), /later than it was to/);
});
