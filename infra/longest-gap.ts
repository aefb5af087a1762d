import { calendarOf, dayMs, firstYear, hourMs, offsetsOf } from '../functions/settings/calendar.ts';

/** Years in which every calendar occurs. */
const cycle = 40;

/**
 * Returns the longest time between two runs of a schedule, in hours, rounded up; `undefined` when there are fewer than
 * two runs. EventBridge skips a run at a time that daylight saving time leaves out, so the gap around it has two days:
 * https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html. The hour by which a day with a clock change
 * is shorter or longer does not count.
 *
 * @throws {TypeError} when `cron` is not an expression of EventBridge.
 */
export function longestGapHours(cron: string, timeZone: string): number | undefined {
  const key = `${timeZone} ${cron}`;
  if (!gaps.has(key)) gaps.set(key, gapOf(cron, timeZone));
  return gaps.get(key);
}

/** Results by time zone and expression: an app can have many stacks with the same schedule. */
const gaps = new Map<string, number | undefined>();

function gapOf(cron: string, timeZone: string): number | undefined {
  const { times, isDay, years } = calendarOf(cron);
  const withinDay = Math.max(0, ...times.slice(1).map((time, index) => time - (times[index] ?? 0)));
  const ends = [...new Set([times[0] ?? 0, times.at(-1) ?? 0])];
  const last = years ? Math.max(...years) : firstYear + cycle;
  const changes = zones.get(timeZone) ?? clockChanges(timeZone);
  zones.set(timeZone, changes);

  let before: number | undefined;
  let longest = 0;
  for (let day = Date.UTC(firstYear, 0); day <= Date.UTC(last, 11, 31); day += dayMs) {
    const date = new Date(day);
    if (!isDay(date)) continue;
    const isShown = changes(day);
    if (!isShown) longest = Math.max(longest, withinDay);
    for (const time of isShown ? times.filter((each) => isShown(day + each)) : ends) {
      if (before !== undefined && (isShown || time === ends[0])) longest = Math.max(longest, day + time - before);
      before = day + time;
    }
  }
  return longest === 0 ? undefined : Math.ceil(longest / hourMs);
}

/** The clock changes of each time zone. Their lookup takes longer than everything else here. */
const zones = new Map<string, ReturnType<typeof clockChanges>>();

/**
 * Returns, for a day with a change of the clocks around it, whether the clocks of a time zone show a time; `undefined`
 * for other days. Times are in milliseconds, as if they were UTC.
 */
function clockChanges(timeZone: string): (day: number) => ((time: number) => boolean) | undefined {
  if (timeZone === 'UTC') return () => undefined;
  const offsetAt = offsetsOf(timeZone);
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
