import { ECHO_MODES } from '../../echo/session.ts';
import { ERROR_KINDS, LOAD_SCHEMA, LOSS_KINDS, type LoadDocument } from '../document.ts';
import { checkFigures } from './document-figures.ts';

/** Refuses a value that has not the expected form, with where it stands: `plan.threads`. */
type Check = (value: unknown, at: string) => void;

/** The beginning of {@link LOAD_SCHEMA}, which all its versions share. */
const FAMILY = LOAD_SCHEMA.slice(0, LOAD_SCHEMA.indexOf('/') + 1);

const number = primitive('a number', isNumber);
const count = primitive('a number from 0 on', (value) => isNumber(value) && value >= 0);
const text = primitive('a text', (value) => typeof value === 'string');
const time = primitive(
  'a time',
  (value) => typeof value === 'string' && !Number.isNaN(Date.parse(value)),
);
const flag = primitive('true or false', (value) => typeof value === 'boolean');

const distribution = record({
  count,
  minUs: count,
  meanUs: count,
  maxUs: count,
  stdDevUs: count,
  percentiles: list(record({ percentile: count, us: count })),
  histogram: text,
});

const plan = record({
  endpoint: either('path', record({ path: text }), record({ host: optional(text), port: count })),
  loop: text,
  threads: count,
  connections: count,
  idleConnections: count,
  model: tagged('kind', {
    closed: record({ pipeline: count }),
    open: record({
      arrivals: oneOf(['uniform', 'poisson']),
      stages: filled(record({ durationMs: count, ratePerSecond: count })),
    }),
  }),
  message: tagged('kind', {
    bytes: record({ bytes: count }),
    given: record({ base64: text, source: text }),
  }),
  mode: oneOf(ECHO_MODES),
  messagesPerConnection: optional(count),
  warmupMs: count,
  durationMs: count,
  rampMs: count,
  timeoutMs: count,
  sourceAddresses: list(text),
  sourcePorts: optional(list(count)),
  startAtMs: optional(number),
  seed: number,
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
  askedPerSecond: optional(count),
});

const thread = record({
  messages: count,
  cpuShare: count,
  waitedShare: optional(count),
  oversleptShare: count,
  scheduleLagP99Us: count,
  scheduleLagMaxUs: count,
  connectionWaitP99Us: count,
  turnMaxMs: count,
});

const trouble = {
  errors: record(Object.fromEntries(ERROR_KINDS.map((kind) => [kind, count]))),
  lost: record(Object.fromEntries(LOSS_KINDS.map((kind) => [kind, count]))),
  replaced: count,
};

const whole = record({
  plan,
  machines: filled(machine),
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
    askedPerSecond: optional(count),
    throttled: optional(record({ periods: count, ms: count })),
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
  const schema = isRecord(value) ? value['schema'] : undefined;
  if (typeof schema !== 'string' || !schema.startsWith(FAMILY)) {
    throw new Error(
      `${source} is not a result of sockloop load --json: its schema is not ${LOAD_SCHEMA}`,
    );
  }
  if (schema !== LOAD_SCHEMA) {
    throw new Error(`${source} has the form ${schema}, and this sockloop reads ${LOAD_SCHEMA}`);
  }
  try {
    whole(value, '');
  } catch (error) {
    if (!(error instanceof Mismatch)) throw error;
    throw new Error(`${source} is damaged: ${error.message}`);
  }
  const document = value as LoadDocument;
  try {
    checkFigures(document);
  } catch (error) {
    throw new Error(`${source} is damaged: ${error instanceof Error ? error.message : error}`);
  }
  return document;
}

/** A value that is not what it should be. */
class Mismatch extends Error {}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** JSON has no infinity, but 1e999 is read as one. */
function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function primitive(what: string, holds: (value: unknown) => boolean): Check {
  return (value, at) => {
    if (!holds(value)) throw new Mismatch(`${at} is not ${what}`);
  };
}

function record(fields: Readonly<Record<string, Check>>): Check {
  return (value, at) => {
    if (!isRecord(value)) throw new Mismatch(`${at === '' ? 'it' : at} is not an object`);
    for (const [name, check] of Object.entries(fields)) {
      check(value[name], at === '' ? name : `${at}.${name}`);
    }
  };
}

function list(check: Check): Check {
  return (value, at) => {
    if (!Array.isArray(value)) throw new Mismatch(`${at} is not a list`);
    for (const [index, item] of value.entries()) check(item, `${at}[${index}]`);
  };
}

/** A list that is not empty. */
function filled(check: Check): Check {
  return (value, at) => {
    list(check)(value, at);
    if (Array.isArray(value) && value.length === 0) throw new Mismatch(`${at} is empty`);
  };
}

function optional(check: Check): Check {
  return (value, at) => {
    if (value !== null) check(value, at);
  };
}

function oneOf(names: readonly string[]): Check {
  return primitive(`one of ${names.join(', ')}`, (value) => names.some((name) => name === value));
}

/** `first` where there is a field `name`, else `second`. */
function either(name: string, first: Check, second: Check): Check {
  return (value, at) => (isRecord(value) && name in value ? first : second)(value, at);
}

/** One form for each value of the field `name`. */
function tagged(name: string, forms: Readonly<Record<string, Check>>): Check {
  const known = oneOf(Object.keys(forms));
  return (value, at) => {
    record({ [name]: known })(value, at);
    forms[String((value as Readonly<Record<string, unknown>>)[name])]?.(value, at);
  };
}
