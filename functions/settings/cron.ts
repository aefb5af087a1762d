export const monthNames = 'JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC'.split('|');
export const weekdayNames = 'SUN|MON|TUE|WED|THU|FRI|SAT'.split('|');

interface Field {
  min: number;
  max: number;
  names?: readonly string[];
  /** Further syntax of the field, beside values, ranges, lists and `*`. */
  special?: RegExp;
  steps?: boolean;
}

/** https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cron-expressions.html */
const fields: readonly Field[] = [
  { min: 0, max: 59, steps: true },
  { min: 0, max: 23, steps: true },
  { min: 1, max: 31, steps: true, special: /^(?:\?|L|(?:[1-9]|[12]\d|3[01])W|LW)$/ },
  { min: 1, max: 12, steps: true, names: monthNames },
  {
    min: 1,
    max: 7,
    names: weekdayNames,
    special: new RegExp(`^(?:\\?|L|(?:[1-7]|${weekdayNames.join('|')})(?:L|#[1-5]))$`),
  },
  { min: 1970, max: 2199, steps: true },
];

/**
 * Parses an EventBridge cron expression such as `0 2 * * ? *` or `cron(0 2 * * ? *)`: minutes, hours, day of month,
 * month, day of week, year. Checked here because CloudFormation would report an error only minutes into a deployment.
 * Cron libraries parse other dialects, or accept expressions that EventBridge refuses. Throws `TypeError`.
 */
export function parseCron(text: string): string {
  const [, inner = text] = /^cron\((.*)\)$/.exec(text.trim()) ?? [];
  const values = inner.trim().toUpperCase().split(/\s+/);
  const [, , dayOfMonth, , dayOfWeek] = values;
  const valid =
    values.length === fields.length &&
    fields.every((field, index) => isValid(values[index] ?? '', field)) &&
    // One of the two must be "?".
    (dayOfMonth === '?') !== (dayOfWeek === '?');
  if (!valid) throw new TypeError(`${JSON.stringify(text)} is not a cron expression of EventBridge`);
  return values.join(' ');
}

function isValid(value: string, field: Field): boolean {
  return field.special?.test(value) || value.split(',').every((item) => isItem(item, field));
}

/** `*`, a value or a range; where the field has steps, each with `/n`. */
function isItem(item: string, { min, max, names, steps }: Field): boolean {
  const [range = '', step, ...more] = item.split('/');
  if (more.length > 0 || (step !== undefined && !(steps && /^[1-9]\d{0,3}$/.test(step)))) return false;
  if (range === '*') return true;
  const ends = range.split('-');
  return ends.length <= 2 && ends.every((end) => isValue(end));

  function isValue(text: string): boolean {
    if (names?.includes(text)) return true;
    return /^\d{1,4}$/.test(text) && Number(text) >= min && Number(text) <= max;
  }
}

/** Parses the name of a time zone in the IANA database, such as `Europe/Berlin`. Throws `TypeError` or `RangeError`. */
export function parseTimeZone(text: string): string {
  // JavaScript accepts offsets (`+02:00`) too; EventBridge does not.
  if (!/^[A-Za-z]/.test(text)) throw new TypeError(`${JSON.stringify(text)} is not the name of a time zone`);
  new Intl.DateTimeFormat('en', { timeZone: text });
  return text;
}
