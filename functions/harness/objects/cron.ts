interface Field {
  name: string;
  min: number;
  max: number;
  names?: readonly string[];
}

const months = 'JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC'.split('|');
const weekdays = 'SUN|MON|TUE|WED|THU|FRI|SAT'.split('|');

const minute: Field = { name: 'minute', min: 0, max: 59 };
const hour: Field = { name: 'hour', min: 0, max: 23 };
const day: Field = { name: 'day of month', min: 1, max: 31 };
const month: Field = { name: 'month', min: 1, max: 12, names: months };
/** Days of each month, in a leap year. */
const longest = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

const unix: readonly Field[] = [minute, hour, day, month, { name: 'day of week', min: 0, max: 7, names: weekdays }];
const quartz: readonly Field[] = [
  { name: 'second', min: 0, max: 59 },
  minute,
  hour,
  day,
  month,
  { name: 'day of week', min: 1, max: 7, names: weekdays },
  { name: 'year', min: 1970, max: 2099 },
];

/**
 * Returns the reason why Harness cannot use a cron expression, or `undefined` when it can. `UNIX` has five fields;
 * `QUARTZ` begins with seconds and may end with a year. Both are in UTC.
 */
export function cronProblem(expression: string, type: 'UNIX' | 'QUARTZ'): string | undefined {
  const values = expression.trim().toUpperCase().split(/\s+/);
  const fields = type === 'UNIX' ? unix : quartz;
  const least = type === 'UNIX' ? 5 : 6;
  if (values.length < least || values.length > fields.length)
    return `${values.length} fields, not ${least === fields.length ? least : `${least} or ${fields.length}`}`;
  const bad = fields.findIndex((field, index) => {
    const value = values[index];
    return value !== undefined && !isField(value, field, type);
  });
  if (bad !== -1) return `the ${fields[bad]?.name} ${values[bad]}`;
  const first = type === 'UNIX' ? 2 : 3;
  const [days = '', monthValue = '', weekday = ''] = values.slice(first);
  if (type === 'QUARTZ') return (days === '?') === (weekday === '?') ? 'no "?" as one of the two days' : undefined;
  // With a day of the week, either day starts a run.
  return weekday === '*' && !existsInSome(days, monthValue) ? 'a day that its months do not have' : undefined;
}

function isField(value: string, field: Field, type: 'UNIX' | 'QUARTZ'): boolean {
  if (type === 'QUARTZ' && (field.name === 'day of month' || field.name === 'day of week'))
    if (value === '?' || /^(?:L(?:-\d{1,2})?|LW|\d{1,2}W|(?:[1-7]|[A-Z]{3})(?:L|#[1-5]))$/.test(value)) return true;
  return value.split(',').every((item) => numbersOf(item, field) !== undefined);
}

function existsInSome(days: string, monthValue: string): boolean {
  const numbers = (text: string, field: Field) => text.split(',').flatMap((item) => numbersOf(item, field) ?? []);
  const first = Math.min(...numbers(days, day));
  return numbers(monthValue, month).some((number) => first <= (longest[number - 1] ?? 0));
}

/** Returns the numbers of `*`, a value or a range, each with or without `/step`; `undefined` for anything else. */
function numbersOf(item: string, { min, max, names }: Field): number[] | undefined {
  const [, range = '', step = '1'] = /^([^/]+)(?:\/([1-9]\d{0,3}))?$/.exec(item) ?? [];
  const number = (text: string): number | undefined => {
    const named = names?.indexOf(text) ?? -1;
    const value = named !== -1 ? named + (min === 0 ? 0 : 1) : /^\d{1,4}$/.test(text) ? Number(text) : -1;
    return value >= min && value <= max ? value : undefined;
  };
  const ends = range === '*' ? [min, max] : range.split('-').map(number);
  const [from, to = item.includes('/') ? max : from] = ends;
  if (ends.length > 2 || ends.includes(undefined) || from === undefined || to === undefined || to < from)
    return undefined;
  const all = Array.from({ length: to - from + 1 }, (_, index) => from + index);
  return all.filter((value) => (value - from) % Number(step) === 0);
}
