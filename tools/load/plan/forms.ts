import * as v from 'valibot';

// The forms of JSON values, with the predicate of the sentence that refuses any other value.

const COUNT = 'is not a number from 0 on';

export const text = v.string('is not a text');
export const flag = v.boolean('is not true or false');
/** JSON has no infinity, but 1e999 is read as one. */
export const number = v.pipe(v.number('is not a number'), v.finite('is not a number'));
export const count = v.pipe(v.number(COUNT), v.finite(COUNT), v.minValue(0, COUNT));
export const time = v.pipe(
  v.string('is not a time'),
  v.check((iso) => !Number.isNaN(Date.parse(iso)), 'is not a time'),
);

export function record<const Entries extends v.ObjectEntries>(entries: Entries) {
  return v.object(entries, 'is not an object');
}

/** A record with the same form for each of its keys. */
export function recordOf<const Key extends string, Form extends v.GenericSchema>(
  keys: readonly Key[],
  form: Form,
) {
  const entries = keys.map((key): [Key, Form] => [key, form]);
  return record(Object.fromEntries(entries) as Record<Key, Form>);
}

export function list<Form extends v.GenericSchema>(form: Form) {
  return v.array(form, 'is not a list');
}

export function filledList<Form extends v.GenericSchema>(form: Form) {
  return v.pipe(list(form), v.minLength(1, 'is empty'));
}

export function oneOf<const Name extends string>(names: readonly Name[]) {
  return v.picklist(names, `is not one of ${names.join(', ')}`);
}

/** One form for each value of the field `key`, a literal in each of `forms`. */
export function tagged<const Key extends string, const Forms extends v.VariantOptions<Key>>(
  key: Key,
  forms: Forms,
) {
  const names = forms.map((form) => {
    const literal = (form as { entries: Record<string, { literal?: unknown }> }).entries[key];
    return String(literal?.literal);
  });
  const known = `is not one of ${names.join(', ')}`;
  return v.variant(key, forms, ({ path }) => (path === undefined ? 'is not an object' : known));
}

/** Throws an Error whose message is a sentence about the first value of a wrong form. */
export function assertForm(form: v.GenericSchema, value: unknown): void {
  const { issues } = v.safeParse(form, value, { abortEarly: true });
  const [issue] = issues ?? [];
  if (issue === undefined) return;
  const missing = issue.type === 'object' && issue.received === 'undefined';
  throw new Error(`${pathOf(issue)} ${missing ? 'is missing' : issue.message}`);
}

/** Where a value stands: `plan.model.stages[0].durationMs`. */
function pathOf({ path }: v.BaseIssue<unknown>): string {
  const keys = path ?? [];
  const at = keys.map(({ type, key }) => (type === 'array' ? `[${key}]` : `.${key}`)).join('');
  return at === '' ? 'it' : at.replace(/^\./, '');
}
