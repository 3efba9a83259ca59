import * as v from 'valibot';
import { parseCount, parseDuration } from '../../terminal/flags.ts';
import { count } from './forms.ts';

/** The headings of the help text, in its order. */
export const FLAG_GROUPS = {
  connections: 'Connections:',
  closed: 'Closed loop, where the server sets the pace (the default):',
  open: 'Open loop, where messages are sent when they are due:',
  messages: 'Messages:',
  times: 'Times, in seconds or with a unit (500ms, 10s, 2m, 1h30m):',
} as const;

/** A flag of `sockloop load`. */
interface Flag {
  readonly group: keyof typeof FLAG_GROUPS;
  /** The name of its value in the help text: `<n>`. */
  readonly value: string;
  readonly help: string;
  /** Its text if left out, where the help text names it. */
  readonly preset?: string;
}

/** Everything that depends on what a field of the plan is. */
export interface PlanField<Value> {
  /** Its form in a document. */
  readonly form: v.GenericSchema<unknown, Value>;
  /** What a run on this machine may be asked for; its messages are whole sentences. */
  readonly asked: v.GenericSchema;
  /** The flags that set it, by name. */
  readonly flags: Readonly<Record<string, Flag>>;
  /** Reads the text of its only flag. Without it the command line sets the field from several. */
  readonly read?: (text: string | undefined) => Value;
  readonly merge: MergeRule<Value>;
  /** Its rows in the report's table. */
  readonly facts: (value: Value) => readonly Fact[];
  /** Its part of the line `load` of the summary, which may be empty; null where it has none. */
  readonly brief: ((value: Value) => string) | null;
}

/** A row of a table: numbers are set as numbers. */
type Fact = readonly [label: string, value: string | number];

/** How `merge` treats a field of the plans of several machines. */
type MergeRule<Value> = {
  /** In what the plans must be equal, machine by machine; empty where they may differ. */
  readonly equal: readonly EqualPart<Value>[];
  /** The field in the plan of all machines. */
  readonly together: (first: Value, values: readonly Value[]) => Value;
};

type EqualPart<Value> = {
  /** The beginning of a sentence: `rate is`. */
  readonly what: string;
  /** The rest of it. `machines` is the number of machines that the plan is for. */
  readonly words: (value: Value, machines: number) => string;
  /** What is compared, where it is not the words. */
  readonly of?: (value: Value, machines: number) => unknown;
};

/** The plans may differ, and the first one's value stands for all. */
export const mayDiffer = {
  equal: [],
  together: <Value>(first: Value): Value => first,
} as const;

/** The plans must have this in common. */
export function mustBeEqual<Value>(...equal: readonly EqualPart<Value>[]): MergeRule<Value> {
  return { equal, together: (first) => first };
}

/** The plans must have this in common by machine, and the values add up. */
export function addedUp(what: string): MergeRule<number> {
  return {
    equal: [{ what, words: (value, machines) => `${value / machines}` }],
    together: (_, values) => sum(values),
  };
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** Any value of the type. */
export const anything = v.any();

/** A whole number between bounds: `the number of threads is 1 to 256, not 0`. */
export function whole(what: string, least: number, most: number) {
  return v.custom<number>(
    (value) => Number.isSafeInteger(value) && (value as number) >= least && Number(value) <= most,
    ({ input }) => `${what} is ${least} to ${most}, not ${input}`,
  );
}

/** A time in milliseconds, above 0: `the timeout is above 0 and at most 1000 ms, not 0`. */
export function aboveZero(what: string, most: number, unit = 'ms') {
  return v.custom<number>(
    (value) => Number(value) > 0 && Number(value) <= most,
    ({ input }) => `${what} is above 0 and at most ${most} ${unit}, not ${input}`,
  );
}

/** A field that is a whole number, set by one flag. */
export function wholeField(what: string, least: number, most: number, flag: string) {
  return {
    form: count,
    asked: whole(what, least, most),
    read: (text = ''): number => parseCount(text, least, most, flag),
  } as const;
}

/** A field that is a time in milliseconds, from 0 on. */
export function timeFromZero(what: string, most: number) {
  const asked = v.custom<number>(
    (value) => Number(value) >= 0 && Number(value) <= most,
    ({ input }) => `${what} is 0 to ${most} ms, not ${input}`,
  );
  return { form: count, asked } as const;
}

/** A field that is a time in milliseconds above 0. */
export function timeAboveZero(what: string, most: number) {
  return { form: count, asked: aboveZero(what, most) } as const;
}

/** Reads the text of a flag that is a time above 0. */
export function timeReader(flag: string, msMax: number) {
  return (text = ''): number => parseDuration(text, flag, { msMax });
}
