import { isIP } from 'node:net';
import type { Endpoint, LoopName } from 'sockloop';
import * as v from 'valibot';
import { counted } from '#src/base/number-format.js';
import { backends } from '#src/loop/backends.js';
import { parseMode } from '../../echo/mode.ts';
import { ECHO_MODES, type EchoMode } from '../../echo/session.ts';
import { UsageError } from '../../terminal/exit.ts';
import { parseCount } from '../../terminal/flags.ts';
import { CONNECTIONS_MAX, DURATION_MS_MAX, SEED_MAX, THREADS_MAX, TIME_MS_MAX } from '../limits.ts';
import type { LoadPlan } from '../plan.ts';
import {
  addedUp,
  anything,
  mayDiffer,
  mustBeEqual,
  type PlanField,
  sum,
  timeAboveZero,
  timeFromZero,
  timeReader,
  whole,
  wholeField,
} from './field.ts';
import { count, list, number, oneOf, record, text } from './forms.ts';
import { MESSAGE } from './message.ts';
import { MODEL } from './model.ts';
import { formatEndpoint, formatSeconds } from './words.ts';

const LOOPS: readonly LoopName[] = ['auto', ...backends.map(({ name }) => name)];

const UNIX = record({ path: text });
const HOST_AND_PORT = record({ host: v.nullable(text), port: count });

/**
 * Every field of a load plan: its flags, its form in a document, what a run may ask for, how plans
 * are merged and what is printed. The order is that of the report.
 */
const LOAD_PLAN = {
  endpoint: {
    form: v.lazy(
      (input): v.GenericSchema<unknown, Endpoint> =>
        typeof input === 'object' && input !== null && 'path' in input ? UNIX : HOST_AND_PORT,
    ),
    asked: anything,
    flags: {
      unix: {
        group: 'connections',
        value: '<path>',
        help: 'load a UNIX socket instead; @name is an abstract name',
      },
    },
    merge: mayDiffer,
    facts: (endpoint) => [['server', formatEndpoint(endpoint)]],
    brief: null,
  },
  model: MODEL,
  connections: {
    ...wholeField('the number of connections', 1, CONNECTIONS_MAX, '--connections'),
    flags: {
      connections: {
        group: 'connections',
        value: '<n>',
        help: 'that carry messages, over all threads',
        preset: '50',
      },
    },
    merge: addedUp('number of connections is'),
    facts: (connections) => [['connections', connections]],
    brief: null,
  },
  idleConnections: {
    ...wholeField('the number of idle connections', 0, CONNECTIONS_MAX, '--idle'),
    flags: {
      idle: {
        group: 'connections',
        value: '<n>',
        help: 'further connections, which stay open and carry nothing',
        preset: '0',
      },
    },
    merge: addedUp('number of idle connections is'),
    facts: (idle) => [['idle connections', idle]],
    brief: null,
  },
  threads: {
    form: count,
    asked: whole('the number of threads', 1, THREADS_MAX),
    flags: {
      threads: {
        group: 'connections',
        value: '<n>',
        help: 'threads to spread them over, or max: one per core',
        preset: '1',
      },
    },
    merge: { equal: [], together: (_, threads) => sum(threads) },
    facts: (threads) => [['threads', threads]],
    brief: null,
  },
  loop: {
    // Any name: the document may come from a platform with other loops.
    form: v.custom<LoopName>((name) => typeof name === 'string', 'is not a text'),
    asked: anything,
    read: (name) => {
      const loop = LOOPS.find((known) => known === name);
      if (loop !== undefined) return loop;
      throw new UsageError(`--loop takes ${LOOPS.join(', ')}, not "${name}"`);
    },
    flags: {
      loop: {
        group: 'connections',
        value: '<name>',
        help: `way of waiting: ${LOOPS.join(', ')}`,
        preset: 'auto',
      },
    },
    merge: mayDiffer,
    facts: (loop) => [['loop', loop]],
    brief: null,
  },
  message: MESSAGE,
  mode: {
    form: oneOf(ECHO_MODES),
    asked: anything,
    read: (name = '') => parseMode(name),
    flags: {
      mode: {
        group: 'messages',
        value: '<mode>',
        help: 'what the server answers: echo, line or once (see serve)',
        preset: 'echo',
      },
    },
    merge: mustBeEqual<EchoMode>({ what: 'mode is', words: (mode) => mode }),
    facts: (mode) => [['what it does', mode]],
    brief: (mode) => `mode ${mode}`,
  },
  messagesPerConnection: {
    form: v.nullable(count),
    asked: v.nullable(whole('the number of messages per connection', 1, Number.MAX_SAFE_INTEGER)),
    read: (churn) =>
      churn === undefined ? null : parseCount(churn, 1, Number.MAX_SAFE_INTEGER, '--churn'),
    flags: {
      churn: {
        group: 'connections',
        value: '<n>',
        help: 'close a connection after so many messages and open the next',
      },
    },
    merge: mustBeEqual<number | null>({ what: 'share of a connection is', words: shareWords }),
    facts: (churn) => [['a connection is kept for', shareWords(churn)]],
    brief: (churn) => {
      if (churn === null) return '';
      return `a new connection after every ${churn === 1 ? 'message' : `${churn} messages`}`;
    },
  },
  sourceAddresses: {
    form: list(text),
    asked: v.array(
      v.custom<string>(
        (address) => isIP(String(address)) !== 0,
        ({ input }) => `a source address is numeric, not "${input}"`,
      ),
    ),
    flags: {
      sourceAddresses: {
        group: 'connections',
        value: '<list>',
        help: 'connect from these, in turn: 127.0.0.2-127.0.0.9 or a,b',
      },
    },
    merge: mayDiffer,
    facts: (addresses) => [['from addresses', addresses.join(', ') || 'any']],
    brief: null,
  },
  sourcePorts: {
    form: v.nullable(v.tuple([count, count], 'is not a list')),
    asked: v.nullable(
      v.lazy((ports) => {
        const [first] = ports as readonly [number, number];
        return v.tuple([
          whole('the first source port', 1, 65535),
          whole('the last source port', first, 65535),
        ]);
      }),
    ),
    flags: {
      sourcePorts: {
        group: 'connections',
        value: '<range>',
        help: 'connect from these local ports: 20000-29999',
      },
    },
    merge: mayDiffer,
    facts: (ports) => [['from ports', ports === null ? 'any' : `${ports[0]} to ${ports[1]}`]],
    brief: null,
  },
  seed: {
    form: number,
    asked: v.custom<number>(
      Number.isSafeInteger,
      ({ input }) => `a seed is a whole number, not ${input}`,
    ),
    read: (seed) =>
      seed === undefined
        ? Math.floor(Math.random() * (SEED_MAX + 1))
        : parseCount(seed, 0, SEED_MAX, '--seed'),
    flags: {
      seed: {
        group: 'messages',
        value: '<n>',
        help: 'of the bytes and of poisson arrivals; by chance if left out',
      },
    },
    merge: mayDiffer,
    facts: (seed) => [['seed', String(seed)]],
    brief: null,
  },
  durationMs: {
    ...timeAboveZero('the duration', DURATION_MS_MAX),
    flags: {
      duration: { group: 'times', value: '<time>', help: 'how long to measure; 10 if left out' },
    },
    merge: mustBeEqual<number>({ what: 'duration is', words: formatSeconds }),
    facts: (ms) => [['measured', formatSeconds(ms)]],
    brief: null,
  },
  warmupMs: {
    ...timeFromZero('the warm-up', DURATION_MS_MAX),
    flags: {
      warmup: {
        group: 'times',
        value: '<time>',
        help: 'how long to run before that; 1 if left out, behind the ramp',
      },
    },
    merge: mustBeEqual<number>({ what: 'warm-up is', words: formatSeconds }),
    facts: (ms) => [['warm-up', formatSeconds(ms)]],
    brief: null,
  },
  rampMs: {
    ...timeFromZero('the ramp', DURATION_MS_MAX),
    flags: {
      ramp: {
        group: 'times',
        value: '<time>',
        help: 'within the warm-up, rise from nothing to the full load',
      },
    },
    merge: mustBeEqual<number>({ what: 'ramp is', words: formatSeconds }),
    facts: (ms) => [['ramp, a part of the warm-up', formatSeconds(ms)]],
    brief: null,
  },
  timeoutMs: {
    ...timeAboveZero('the timeout', TIME_MS_MAX),
    read: timeReader('--timeout', TIME_MS_MAX),
    flags: {
      timeout: {
        group: 'times',
        value: '<time>',
        help: 'longest wait for a reply, and for a connection',
        preset: '5',
      },
    },
    merge: mustBeEqual<number>({ what: 'timeout is', words: formatSeconds }),
    facts: (ms) => [['a reply is given up after', formatSeconds(ms)]],
    brief: null,
  },
  startAtMs: {
    form: v.nullable(number),
    asked: v.nullable(
      v.custom<number>(
        Number.isFinite,
        ({ input }) => `a start is a time in milliseconds, not ${input}`,
      ),
    ),
    flags: {
      startAt: {
        group: 'times',
        value: '<time>',
        help: 'begin at HH:MM[:SS], at an ISO time, or +30s from now',
      },
    },
    merge: {
      equal: [],
      together: (first, all) => (all.every((startMs) => startMs === first) ? first : null),
    },
    facts: () => [],
    brief: null,
  },
} as const satisfies PlanTable;

type PlanTable = { readonly [Field in keyof LoadPlan]: PlanField<LoadPlan[Field]> };
type Table = typeof LOAD_PLAN;

/** The fields that are read from one flag, whatever the others say. */
type OwnField = {
  [Field in keyof Table]: Table[Field] extends { readonly read: unknown } ? Field : never;
}[keyof Table];
/** The fields that the command line sets from several flags, or from its arguments. */
export type ComposedFields = Omit<LoadPlan, OwnField>;

type FlagsOf<Row> = Row extends { readonly flags: infer Flags } ? keyof Flags : never;
/** The texts of the flags, by name. */
export type PlanFlags = {
  readonly [Name in { [Field in keyof Table]: FlagsOf<Table[Field]> }[keyof Table]]?: string;
};

/** The rows, for those who treat all fields alike: a value must only meet its own row. */
export const PLAN_ROWS = Object.entries(LOAD_PLAN) as unknown as readonly [
  keyof LoadPlan,
  PlanField<unknown>,
][];

/** The fields that are read from one flag each. */
export function readOwnFields(flags: PlanFlags): Pick<LoadPlan, OwnField> {
  const texts: Readonly<Record<string, string | undefined>> = flags;
  const fields = PLAN_ROWS.flatMap(([field, { read, flags: own }]) =>
    read === undefined ? [] : [[field, read(texts[Object.keys(own)[0] ?? ''])]],
  );
  return Object.fromEntries(fields) as Pick<LoadPlan, OwnField>;
}

function shareWords(churn: number | null): string {
  return churn === null ? 'the whole run' : counted(churn, 'message');
}

type Forms = { readonly [Field in keyof LoadPlan]: v.GenericSchema<unknown, LoadPlan[Field]> };

/** The form of a plan in a document. */
export const PLAN_FORM = record(
  Object.fromEntries(PLAN_ROWS.map(([field, { form }]) => [field, form])) as Forms,
);
