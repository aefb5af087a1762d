import { calendarOf, dayMs, lastYear, offsetsOf } from './calendar.ts';

/** Years in which every calendar occurs, as long as the expression names no years. */
const cycle = 40;

/**
 * Returns the first start of a schedule after an instant; `undefined` when it is over. EventBridge skips a start at a time
 * that daylight saving time leaves out, and starts once where the clocks show a time twice:
 * https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
 *
 * @throws {TypeError} when `cron` is not an expression of EventBridge.
 */
export function nextRun(cron: string, timeZone: string, after: Date): Date | undefined {
  const { times, isDay, years } = calendarOf(cron);
  const offsetAt = offsetsOf(timeZone);
  // The clocks are less than a day away from UTC.
  const first = Math.floor(after.getTime() / dayMs) * dayMs - dayMs;
  const last = years ? Date.UTC(Math.min(lastYear, Math.max(...years)), 11, 31) : first + cycle * 366 * dayMs;
  for (let day = first; day <= last; day += dayMs) {
    if (!isDay(new Date(day))) continue;
    const offsets = [offsetAt(day - dayMs), offsetAt(day + 2 * dayMs)];
    for (const time of times) {
      const instants = offsets.filter((offset) => offsetAt(day + time - offset) === offset);
      const start = Math.min(...instants.map((offset) => day + time - offset));
      if (instants.length > 0 && start > after.getTime()) return new Date(start);
    }
  }
  return undefined;
}
