import * as v from 'valibot';
import { ERROR_KINDS, LOAD_SCHEMA, LOSS_KINDS, type LoadDocument } from '../document.ts';
import {
  assertForm,
  count,
  filledList,
  flag,
  list,
  number,
  record,
  recordOf,
  text,
  time,
} from '../plan/forms.ts';
import { PLAN_FORM } from '../plan/table.ts';
import { checkFigures } from './document-figures.ts';

/** The beginning of {@link LOAD_SCHEMA}, which all its versions share. */
const FAMILY = LOAD_SCHEMA.slice(0, LOAD_SCHEMA.indexOf('/') + 1);

const distribution = record({
  count,
  minUs: count,
  meanUs: count,
  maxUs: count,
  stdDevUs: count,
  percentiles: list(record({ percentile: count, us: count })),
  histogram: text,
});

const machine = record({
  run: text,
  hostname: text,
  cpu: text,
  cores: count,
  kernel: text,
  node: text,
  sockloop: text,
  loop: text,
});

const interval = record({
  startMs: number,
  durationMs: count,
  messages: count,
  errors: count,
  p50Us: count,
  p99Us: count,
  maxUs: count,
  askedPerSecond: v.nullable(count),
});

const thread = record({
  messages: count,
  cpuShare: count,
  waitedShare: v.nullable(count),
  oversleptShare: count,
  scheduleLagP99Us: count,
  scheduleLagMaxUs: count,
  connectionWaitP99Us: count,
  turnMaxMs: count,
});

const trouble = {
  errors: recordOf(ERROR_KINDS, count),
  lost: recordOf(LOSS_KINDS, count),
  replaced: count,
};

const DOCUMENT: v.GenericSchema<unknown, LoadDocument> = record({
  schema: v.literal(LOAD_SCHEMA),
  plan: PLAN_FORM,
  machines: filledList(machine),
  startedAt: time,
  measuredMs: count,
  endedEarly: flag,
  counts: record({
    messages: count,
    sentBytes: count,
    receivedBytes: count,
    connections: count,
    ...trouble,
  }),
  warmup: record(trouble),
  response: distribution,
  service: distribution,
  connect: distribution,
  intervals: list(interval),
  heat: record({ intervalMs: count, edgesUs: list(count), counts: list(list(count)) }),
  generator: record({
    threads: list(thread),
    cpuUsPerMessage: count,
    achievedPerSecond: count,
    askedPerSecond: v.nullable(count),
    throttled: v.nullable(record({ periods: count, ms: count })),
  }),
  verdict: record({ valid: flag, reasons: list(text) }),
});

/**
 * Reads what `sockloop load --json` has printed.
 *
 * `source` is the name of its file, for the message. Throws an Error where the text is no such
 * document, one of another version, or one whose figures contradict each other. A byte-order mark
 * at its beginning is no part of it.
 */
export function parseDocument(json: string, source: string): LoadDocument {
  let value: unknown;
  try {
    value = JSON.parse(json.replace(/^\uFEFF/, ''));
  } catch (error) {
    const why = error instanceof SyntaxError ? error.message : String(error);
    throw new Error(`${source} is not JSON: ${why}`);
  }
  const schema = schemaOf(value);
  if (typeof schema !== 'string' || !schema.startsWith(FAMILY)) {
    throw new Error(
      `${source} is not a result of sockloop load --json: its schema is not ${LOAD_SCHEMA}`,
    );
  }
  if (schema !== LOAD_SCHEMA) {
    throw new Error(`${source} has the form ${schema}, and this sockloop reads ${LOAD_SCHEMA}`);
  }
  try {
    assertForm(DOCUMENT, value);
    checkFigures(value as LoadDocument);
  } catch (error) {
    throw new Error(`${source} is damaged: ${error instanceof Error ? error.message : error}`);
  }
  return value as LoadDocument;
}

function schemaOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'schema' in value
    ? value.schema
    : undefined;
}
