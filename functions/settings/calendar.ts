import { monthNames, parseCron, weekdayNames } from './cron.ts';

/** The first year that counts, and the last one of EventBridge. */
export const [firstYear, lastYear] = [2026, 2199];
const minuteMs = 60_000;
export const hourMs = 60 * minuteMs;
export const dayMs = 24 * hourMs;

/** The days and the times of a cron expression of EventBridge. Dates and times are those of the clocks, as if they were UTC. */
interface Calendar {
  /** The times of each day, in milliseconds after midnight, in ascending order. */
  times: readonly number[];
  isDay: DayRule;
  /** The years of the expression; `undefined` for every year. */
  years: ReadonlySet<number> | undefined;
}

/** @throws {TypeError} when `cron` is not an expression of EventBridge. */
export function calendarOf(cron: string): Calendar {
  const [minute = '', hour = '', dayOfMonth = '', month = '', dayOfWeek = '', year = ''] = parseCron(cron).split(' ');
  const minutes = [...valuesOf(minute, 0, 59)];
  const times = [...valuesOf(hour, 0, 23)].flatMap((h) => minutes.map((m) => (h * 60 + m) * minuteMs));
  const months = valuesOf(month, 1, 12, monthNames);
  const years = year === '*' ? undefined : valuesOf(year, firstYear, lastYear);
  const isDayOfRule = dayOfMonth === '?' ? dayOfWeekRule(dayOfWeek) : dayOfMonthRule(dayOfMonth);
  return {
    times: times.toSorted((a, b) => a - b),
    years,
    isDay: (date) =>
      (years?.has(date.getUTCFullYear()) ?? true) && months.has(date.getUTCMonth() + 1) && isDayOfRule(date),
  };
}

/** Returns the values of a field: lists of `*`, values and ranges, which may go past the end, each with a step. */
function valuesOf(field: string, min: number, max: number, names: readonly string[] = []): Set<number> {
  const numberOf = (text: string) => (names.includes(text) ? names.indexOf(text) + 1 : Number(text));
  const values = new Set<number>();
  for (const item of field.split(',')) {
    const [range = '', step = '1'] = item.split('/');
    const [from = '', to] = range === '*' ? [String(min), String(max)] : range.split('-');
    // Without an end, `5/10` goes on to the last value.
    const [first, end] = [
      numberOf(from),
      to === undefined ? (item.includes('/') ? max : numberOf(from)) : numberOf(to),
    ];
    const length = end < first ? end - first + max - min + 1 : end - first;
    for (let at = 0; at <= length; at += Number(step))
      values.add(first + at > max ? first + at - max - 1 + min : first + at);
  }
  return values;
}

type DayRule = (date: Date) => boolean;

/** Days of the month: values, `L` for the last, `5W` for the weekday nearest to the 5th, `LW` for the last weekday. */
function dayOfMonthRule(field: string): DayRule {
  if (field === 'L') return (date) => date.getUTCDate() === daysIn(date);
  const [, near] = /^(L|\d+)W$/.exec(field) ?? [];
  if (near === undefined) {
    const days = valuesOf(field, 1, 31);
    return (date) => days.has(date.getUTCDate());
  }
  return (date) => {
    const last = daysIn(date);
    const wanted = near === 'L' ? last : Number(near);
    if (wanted > last) return false;
    const weekday = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), wanted)).getUTCDay();
    // A weekend moves to its Friday or Monday, and never into another month.
    const move = weekday === 6 ? (wanted === 1 ? 2 : -1) : weekday === 0 ? (wanted === last ? -2 : 1) : 0;
    return date.getUTCDate() === wanted + move;
  };
}

/** Days of the week: values from 1 for Sunday, `L` for Saturday, `6L` for the last Friday, `6#2` for the second one. */
function dayOfWeekRule(field: string): DayRule {
  const [, day, special = ''] = /^([^-,]+?)(L|#\d)$/.exec(field) ?? [];
  const days =
    day === undefined ? valuesOf(field === 'L' ? '7' : field, 1, 7, weekdayNames) : valuesOf(day, 1, 7, weekdayNames);
  return (date) => {
    if (!days.has(date.getUTCDay() + 1)) return false;
    const ofMonth = date.getUTCDate();
    if (special === 'L') return ofMonth + 7 > daysIn(date);
    return special === '' || Math.ceil(ofMonth / 7) === Number(special.slice(1));
  };
}

function daysIn(date: Date): number {
  return new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
}

/** Returns the offset of a time zone from UTC at an instant, in milliseconds. */
export function offsetsOf(timeZone: string): (instant: number) => number {
  const format = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' });
  return (instant) => {
    const [, sign, hours, minutes] = /GMT([+-])(\d\d):(\d\d)/.exec(format.format(instant)) ?? [];
    const offset = Number(hours ?? 0) * hourMs + Number(minutes ?? 0) * minuteMs;
    return sign === '-' ? -offset : offset;
  };
}
