import { describe, expect, it } from '@jest/globals';
import { longestGapHours } from '../../infra/longest-gap.ts';

const day = 24;
const week = 7 * day;

describe('the longest gap between two runs of a schedule', () => {
  it.each([
    ['every minute', '* * * * ? *', 1],
    ['every six hours', '0 0/6 * * ? *', 6],
    ['at 5 and at 23', '0 5,23 * * ? *', 18],
    ['every day', '0 2 * * ? *', day],
    ['every day of the week', '30 4 ? * * *', day],
    ['on working days', '0 18 ? * MON-FRI *', 3 * day],
    ['every ten minutes of working days: from Friday 23:50 to Monday 0:00', '0/10 * ? * MON-FRI *', 2 * day + 1],
    ['from Friday to Monday, over the end of the week', '0 2 ? * FRI-MON *', 4 * day],
    ['from 20 to 2, over midnight', '0 20-2 * * ? *', 18],
    ['once a week', '0 2 ? * MON *', week],
    ['once a week, on its last day', '0 2 ? * L *', week],
    ['on the 1st of each month', '0 2 1 * ? *', 31 * day],
    ['on the 31st: in August and in October, but not in September', '0 2 31 * ? *', 61 * day],
    ['on the last day of each month', '0 6 L * ? *', 31 * day],
    ['on the last Friday of each month', '0 6 ? * 6L *', 5 * week],
    ['on the second Tuesday of each month', '0 9 ? * TUE#2 *', 5 * week],
    ['on the last weekday of each month', '0 6 LW * ? *', 33 * day],
    ['on the weekday nearest to the 1st, which is never in the month before', '0 6 1W * ? *', 33 * day],
    ['on odd days: from the 29th of February to the 1st of March', '0 2 1-31/2 * ? *', 2 * day],
    ['in two months of the year', '0 6 3 JAN,JUL ? *', 184 * day],
    ['every quarter', '0 6 1 1/3 ? *', 92 * day],
    ['once a year', '0 6 1 1 ? *', 366 * day],
    ['on leap days', '0 6 29 2 ? *', 1_461 * day],
    ['in two years that follow each other', '0 6 1 1 ? 2030-2031', 365 * day],
    ['every other year', '0 6 1 1 ? 2026/2', 731 * day],
  ])('returns it for a schedule %s', (_, cron, hours) => {
    expect(longestGapHours(cron, 'UTC')).toBe(hours);
  });

  it.each([
    ['runs once', '0 2 1 1 ? 2030'],
    ['never runs', '0 2 30 2 ? *'],
    ['is over', '0 2 * * ? 2020-2024'],
  ])('does not exist for a schedule that %s', (_, cron) => {
    expect(longestGapHours(cron, 'UTC')).toBeUndefined();
  });

  it.each([
    ['skips a run that daylight saving time leaves out', '0 2 * * ? *', 'Europe/Berlin', 2 * day],
    ['skips it in America, where the clocks change on another day', '30 2 * * ? *', 'America/New_York', 2 * day],
    ['skips it at midnight', '30 0 * * ? *', 'Africa/Cairo', 2 * day],
    ['skips it in the week of the change', '0 2 ? * SUN *', 'Europe/Berlin', 2 * week],
    ['keeps runs before the hour that is left out', '59 1 * * ? *', 'Europe/Berlin', day],
    ['keeps runs after it', '0 3 * * ? *', 'Europe/Berlin', day],
    ['keeps runs on days without a change', '0 2 ? * MON *', 'Europe/Berlin', week],
    ['keeps every run of a zone without daylight saving time', '0 2 * * ? *', 'Asia/Kolkata', day],
  ])('%s', (_, cron, timeZone, hours) => {
    expect(longestGapHours(cron, timeZone)).toBe(hours);
  });

  it('refuses other dialects of cron', () => {
    expect(() => longestGapHours('@daily', 'UTC')).toThrow(TypeError);
  });
});
