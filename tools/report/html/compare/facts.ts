import type { CompareDocument } from '../../../compare/document.ts';
import { connectionWords } from '../bars.ts';
import { type Cell, dataTable, figure, numbers, words } from '../data-table.ts';
import { momentWords } from '../machine.ts';
import { html, type Markup } from '../markup.ts';
import { grouped, percentWords } from '../page/figures.ts';

/** Report sections of a comparison without a chart: winner, figures, what is missing, method. */

export function winnerBanner({ winner }: CompareDocument): Markup {
  if (winner === null) return html``;
  const ahead = winner.loop !== null;
  const mark = ahead ? html`<path d="M8 12.5l3 3 5.5-6.5"/>` : html`<path d="M8 10h8M8 14h8"/>`;
  return html`<section class="verdict${ahead ? '' : ' even'}" aria-labelledby="winner-heading">
<svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="10"/>${mark}</svg>
<h2 id="winner-heading">${ahead ? `${winner.loop} is ahead` : 'Nobody is ahead'}</h2>
<p>${winner.words}</p>
</section>`;
}

/** The key figures at the top. */
export function compareKeyFigures({
  winner,
  loops,
  plan,
}: CompareDocument): [string, string, string][] {
  const measured = loops.filter(({ available }) => available).length;
  const sure: [string, string, string][] =
    winner === null
      ? []
      : [
          [
            'Margin',
            percentWords(winner.marginPercent),
            winner.loop === null ? 'less CPU: within the spread' : `less CPU than ${winner.over}`,
          ],
          ['Spread', percentWords(winner.spreadPercent), 'between the quartiles of the rounds'],
          [
            'Decided at',
            grouped(winner.connections + winner.idleConnections),
            winner.idleConnections === 0
              ? 'connections, all busy'
              : `connections, ${grouped(winner.idleConnections)} of them idle`,
          ],
        ];
  return [
    ...sure,
    ['Loops measured', String(measured), `of ${loops.length} asked for`],
    ['Rounds', grouped(plan.rounds), `of ${grouped(plan.durationMs / 1000, 2)} s for each point`],
  ];
}

export function allFiguresSection({ loops }: CompareDocument): Markup {
  const rows = loops.flatMap((loop): Cell[][] => {
    if (!loop.available) return [];
    return loop.points.map(({ connections, idleConnections, median, callsPerMessage }) => [
      loop.name,
      figure(connections),
      figure(idleConnections),
      figure(median.messagesPerSecond),
      ...[median.cpuUsPerMessage, median.p50Us, median.p99Us].map((us) => figure(us, 2)),
      figure(callsPerMessage, 2),
    ]);
  });
  const table = dataTable({
    caption: 'Every point: the median of its rounds, and system calls of the server',
    columns: [
      words('loop'),
      ...['connections', 'idle ones', 'messages per second'].map(numbers),
      ...['CPU, us', 'median, us', '99 %, us', 'calls per message'].map(numbers),
    ],
    rows,
  });
  const memory = loops.flatMap((loop): Cell[][] =>
    loop.available && loop.memoryKibPerConnection !== null
      ? [[loop.name, figure(loop.memoryKibPerConnection, 2)]]
      : [],
  );
  const memoryTable = dataTable({
    caption: 'Resident memory of the server for each connection',
    columns: [words('loop'), numbers('KiB')],
    rows: memory,
  });
  return html`<section aria-labelledby="all-heading">
<h2 id="all-heading">All points</h2>
<p class="sentence">A dash is a figure that could not be had here; every round of every point is in
the JSON.</p>
${table}
${memory.length === 0 ? '' : memoryTable}
</section>`;
}

/** Loops and points that have no figures, with the reasons; nothing where there are none. */
export function missingSection({ loops }: CompareDocument): Markup {
  const rows = loops.flatMap((loop): Cell[][] => {
    if (!loop.available) return [[loop.name, 'everywhere', loop.reason]];
    return loop.missing.map(({ connections, idleConnections, reason }) => [
      loop.name,
      connectionWords(connections) +
        (idleConnections === 0 ? '' : `, ${grouped(idleConnections)} idle`),
      reason,
    ]);
  });
  if (rows.length === 0) return html``;
  const table = dataTable({
    caption: 'Loops without figures',
    columns: ['loop', 'where', 'why'].map(words),
    rows,
  });
  return html`<section aria-labelledby="missing-heading">
<h2 id="missing-heading">Not measured</h2>
<p class="sentence">What this machine could not do, or not at this size.</p>
${table}
</section>`;
}

export function methodSection({
  command,
  plan,
  machine,
  elapsedMs,
  startedAt,
  remarks,
}: CompareDocument): Markup {
  const idle = plan.idleConnections.map((count) => grouped(count)).join(', ');
  const rows: Cell[][] = [
    ['command', html`<code>${command}</code>`],
    ['begun', momentWords(startedAt)],
    ['took', `${grouped(elapsedMs / 1000, 1)} s`],
    [
      'slices',
      `${grouped(plan.durationMs)} ms each, after ${grouped(plan.warmupMs)} ms of warm-up`,
    ],
    ['rounds', figure(plan.rounds)],
    ['event loops of each server', figure(plan.threads)],
    ['connections', plan.connections.map((count) => grouped(count)).join(', ')],
    ['idle connections', idle === '' ? 'none' : `${idle}, beside ${plan.besideIdle} busy`],
    ['message', `${grouped(plan.messageBytes)} bytes`],
    ['seed', String(plan.seed)],
    ['host', machine.hostname],
    ['processor', `${machine.cpu}, ${grouped(machine.cores)} cores`],
    ['kernel', machine.kernel],
    ['Node', machine.node],
    ['sockloop', machine.sockloop],
    ...remarks.map((remark): Cell[] => ['note', remark]),
  ];
  const table = dataTable({
    caption: 'The plan and the machine',
    columns: ['what', 'value'].map(words),
    rows,
  });
  return html`<section aria-labelledby="method-heading">
<h2 id="method-heading">How it was measured</h2>
<p class="sentence">In every round the loops take turns in a random order, so that a machine that
drifts drifts for all of them; CPU is that of the whole server process.</p>
${table}
</section>`;
}
