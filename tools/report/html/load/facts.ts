import { formatBytes } from '#src/base/number-format.js';
import type { Distribution, ErrorKind, LoadDocument, LossKind } from '../../../load/document.ts';
import { ERROR_KINDS, LOSS_KINDS } from '../../../load/document.ts';
import { messageWords } from '../../../load/plan/message.ts';
import { modelWords } from '../../../load/plan/model.ts';
import { PLAN_ROWS } from '../../../load/plan/table.ts';
import type { LoadPlan } from '../../../load/plan.ts';
import { connectionWords } from '../bars.ts';
import { folded } from '../chart-section.ts';
import { type Cell, dataTable, figure, numbers, words } from '../data-table.ts';
import { machineTable, momentWords } from '../machine.ts';
import { html, type Markup } from '../markup.ts';
import { countWords, fixed, grouped, timeWords } from '../page/figures.ts';

/** Report sections of a load run without a chart: errors, the generator, the plan, the machines. */

const ERROR_WORDS: Readonly<Record<ErrorKind, string>> = {
  refused: 'Nobody listened',
  unreachable: 'connect(2) failed in another way',
  connectTimeout: 'connect(2) got no answer in time',
  reset: 'The connection broke while a reply was awaited',
  shortReply: 'The server ended the connection before the whole reply was there',
  mismatch: 'Other bytes came back than were sent, or more',
  timeout: 'No reply in time',
  resources: 'Out of descriptors or local ports',
  lost: 'Awaited on a connection that was given up because of another message',
  notClosed: 'The server did not end the connection behind its reply in time',
};

const LOSS_WORDS: Readonly<Record<LossKind, string>> = {
  reset: 'The server, or the network, reset it',
  closed: 'The server closed it',
  timeout: 'Given up: no reply, or no end, in time',
  mismatch: 'Given up: other bytes came back than were sent',
};

export function errorsSection({ counts, warmup }: LoadDocument): Markup {
  const columns = [
    words('kind'),
    words('what happened'),
    numbers('measured'),
    numbers('before that'),
  ];
  const errors = dataTable({
    caption: 'Errors by kind',
    columns,
    rows: ERROR_KINDS.map((kind) => {
      return [kind, ERROR_WORDS[kind], figure(counts.errors[kind]), figure(warmup.errors[kind])];
    }),
  });
  const losses = dataTable({
    caption: 'Connections that were lost, and replaced',
    columns,
    rows: [
      ...LOSS_KINDS.map((kind): Cell[] => {
        return [kind, LOSS_WORDS[kind], figure(counts.lost[kind]), figure(warmup.lost[kind])];
      }),
      ['replaced', 'Another took its place', figure(counts.replaced), figure(warmup.replaced)],
    ],
  });
  const table = html`${errors}\n${losses}`;
  const lost = LOSS_KINDS.reduce((sum, kind) => sum + counts.lost[kind], 0);
  const failed = ERROR_KINDS.reduce((sum, kind) => sum + counts.errors[kind], 0);
  const held =
    failed === 0
      ? `None: each of ${countWords(counts.messages, 'reply')} held the bytes that were sent.`
      : `${grouped(failed)} beside ${grouped(counts.messages)} replies that held what was sent; ` +
        'a message that failed is in none of the times above.';
  const sentence =
    lost === 0
      ? held
      : `${held} ${grouped(lost)} connections were lost, and ${grouped(counts.replaced)} replaced.`;
  const quiet = failed + lost === 0;
  return section('errors', 'Errors', sentence, quiet ? folded('By kind', table) : table);
}

export function generatorSection({ generator, plan }: LoadDocument): Markup {
  const open = plan.model.kind === 'open';
  const table = dataTable({
    caption: 'The threads of the generator',
    columns: [
      words('thread'),
      numbers('messages'),
      numbers('CPU, % of a core'),
      numbers('waiting for a CPU, %'),
      numbers('asleep too long, %'),
      ...(open
        ? [numbers('late, 99 %, us'), numbers('late, most, us'), numbers('no connection, 99 %, us')]
        : []),
      numbers('longest turn, ms'),
    ],
    rows: generator.threads.map((thread, index): Cell[] => [
      `thread\u{a0}${index + 1}`,
      figure(thread.messages),
      { value: thread.cpuShare, words: fixed(thread.cpuShare * 100, 1) },
      thread.waitedShare === null
        ? 'not known'
        : { value: thread.waitedShare, words: fixed(thread.waitedShare * 100, 1) },
      { value: thread.oversleptShare, words: fixed(thread.oversleptShare * 100, 1) },
      ...(open
        ? [
            figure(thread.scheduleLagP99Us, 1),
            figure(thread.scheduleLagMaxUs, 1),
            figure(thread.connectionWaitP99Us, 1),
          ]
        : []),
      figure(thread.turnMaxMs, 2),
    ]),
  });
  const cpu = `${grouped(generator.cpuUsPerMessage, 2)} us of CPU per message`;
  const sentence = open
    ? `The generator spent ${cpu}: where a thread nears a whole core, or sends late, its times ` +
      'are its own and not the server\u{2019}s.'
    : `The generator spent ${cpu}: where a thread nears a whole core, it is the limit, and not ` +
      'the server.';
  return section('generator', 'The generator itself', sentence, table);
}

export function planSection({ plan, machines, counts, connect }: LoadDocument): Markup {
  const facts = dataTable({
    caption: 'What was asked for',
    columns: [words('what'), words('value')],
    rows: planFacts(plan),
  });
  const where = machineTable('Where the generator ran', machines);
  const sentence =
    `${countWords(counts.connections, 'connection')} ` +
    `${counts.connections === 1 ? 'was' : 'were'} opened in all${connectWords(connect)}; ` +
    `${formatBytes(counts.sentBytes)} went out and ${formatBytes(counts.receivedBytes)} came back.`;
  return section('plan', 'The run', sentence, html`${facts}\n${where}`);
}

/** `, in 87 us at the median and 1.24 ms at the 99th percentile`. */
function connectWords({ count, percentiles }: Distribution): string {
  if (count === 0) return '';
  const at = (wanted: number): string =>
    timeWords(percentiles.find(({ percentile }) => percentile === wanted)?.us ?? 0);
  return `, in ${at(50)} at the median and ${at(99)} at the 99th percentile`;
}

/** A run in a few words each. */
export function summaryOf({ plan, startedAt, measuredMs, endedEarly }: LoadDocument): string[] {
  const { idleConnections } = plan;
  const idle = idleConnections === 0 ? '' : ` beside ${grouped(idleConnections)} idle ones`;
  return [
    modelWords(plan.model),
    connectionWords(plan.connections) + idle,
    messageWords(plan.message),
    `measured for ${seconds(measuredMs)}${endedEarly ? ', ended early' : ''}`,
    `begun ${momentWords(startedAt)}`,
  ];
}

function planFacts(plan: LoadPlan): Cell[][] {
  return PLAN_ROWS.flatMap(([field, { facts }]) => facts(plan[field])).map(([label, value]) => [
    label,
    typeof value === 'number' ? figure(value) : value,
  ]);
}

function seconds(ms: number): string {
  return `${grouped(ms / 1000, 2)} s`;
}

function section(id: string, heading: string, sentence: string, content: Markup): Markup {
  return html`<section aria-labelledby="${id}-heading">
<h2 id="${id}-heading">${heading}</h2>
<p class="sentence">${sentence}</p>
${content}
</section>`;
}
