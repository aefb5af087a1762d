import { monthNames, parseCron, weekdayNames } from './cron.ts';

/** The first year that counts, the last one of EventBridge, and years in which every calendar occurs. */
const [firstYear, lastYear, cycle] = [2026, 2199, 40];
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/**
 * Returns the longest time between two runs of a schedule, in hours, rounded up; `undefined` when there are fewer than
 * two runs. EventBridge skips a run at a time that daylight saving time leaves out, so the gap around it has two days:
 * https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html. The hour by which a day with a clock change
 * is shorter or longer does not count.
 *
 * @throws {TypeError} when `cron` is not an expression of EventBridge.
 */
export function longestGapHours(cron: string, timeZone: string): number | undefined {
  const [minute = '', hour = '', dayOfMonth = '', month = '', dayOfWeek = '', year = ''] = parseCron(cron).split(' ');
  const minutes = [...valuesOf(minute, 0, 59)];
  const times = [...valuesOf(hour, 0, 23)].flatMap((h) => minutes.map((m) => (h * 60 + m) * minuteMs));
  times.sort((a, b) => a - b);
  const withinDay = Math.max(0, ...times.slice(1).map((time, index) => time - (times[index] ?? 0)));
  const ends = [...new Set([times[0] ?? 0, times.at(-1) ?? 0])];
  const months = valuesOf(month, 1, 12, monthNames);
  const years = valuesOf(year === '*' ? `${firstYear}-${firstYear + cycle}` : year, firstYear, lastYear);
  const isDay = dayOfMonth === '?' ? dayOfWeekRule(dayOfWeek) : dayOfMonthRule(dayOfMonth);
  const changes = zones.get(timeZone) ?? clockChanges(timeZone);
  zones.set(timeZone, changes);

  let last: number | undefined;
  let longest = 0;
  for (let day = Date.UTC(firstYear, 0); day <= Date.UTC(Math.max(...years), 11, 31); day += dayMs) {
    const date = new Date(day);
    if (!years.has(date.getUTCFullYear()) || !months.has(date.getUTCMonth() + 1) || !isDay(date)) continue;
    const isShown = changes(day);
    if (!isShown) longest = Math.max(longest, withinDay);
    for (const time of isShown ? times.filter((each) => isShown(day + each)) : ends) {
      if (last !== undefined && (isShown || time === ends[0])) longest = Math.max(longest, day + time - last);
      last = day + time;
    }
  }
  return longest === 0 ? undefined : Math.ceil(longest / hourMs);
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

/** The clock changes of each time zone. Their lookup takes longer than everything else here. */
const zones = new Map<string, ReturnType<typeof clockChanges>>();

/**
 * Returns, for a day with a change of the clocks around it, whether the clocks of a time zone show a time; `undefined`
 * for other days. Times are in milliseconds, as if they were UTC.
 */
function clockChanges(timeZone: string): (day: number) => ((time: number) => boolean) | undefined {
  const format = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' });
  const offsetAt = (instant: number): number => {
    const [, sign, hours, minutes] = /GMT([+-])(\d\d):(\d\d)/.exec(format.format(instant)) ?? [];
    const offset = Number(hours ?? 0) * hourMs + Number(minutes ?? 0) * minuteMs;
    return sign === '-' ? -offset : offset;
  };
  const known = new Map<number, number>();
  const offsetOn = (day: number): number => {
    const offset = known.get(day) ?? offsetAt(day);
    known.set(day, offset);
    return offset;
  };
  return (day) => {
    const around = [offsetOn(day - dayMs), offsetOn(day + 2 * dayMs)];
    if (around[0] === around[1]) return undefined;
    return (time) => around.some((offset) => offsetAt(time - offset) === offset);
  };
}
