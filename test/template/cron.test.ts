import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseCron, parseTimeZone } from '../../functions/settings/cron.ts';

describe('a cron expression of EventBridge', () => {
  // Examples of https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cron-expressions.html and .../scheduler
  it.each([
    '0 2 * * ? *',
    '0 10 * * ? *',
    '15 12 * * ? *',
    '0 18 ? * MON-FRI *',
    '0 8 1 * ? *',
    '0/10 * ? * MON-FRI *',
    '0/5 8-17 ? * MON-FRI *',
    '0/30 20-2 ? * MON-FRI *',
    '15 10 ? * 6L 2022-2023',
    '0 9 ? * 2#1 *',
    '0 9 ? * TUE#2 *',
    '0 6 L * ? *',
    '0 6 LW * ? *',
    '0 6 3W JAN,JUL ? *',
    '*/15 0,12 1-15/2 1-6,9 ? 2026/2',
  ])('accepts %s', (cron) => expect(parseCron(cron)).toBe(cron));

  it('accepts cron() around it, in any case and with any blanks', () => {
    expect(parseCron(' cron(0  2 ? * mon-fri *) ')).toBe('0 2 ? * MON-FRI *');
  });

  it.each([
    ['', 'nothing'],
    ['0 2 * * *', 'five fields, as cron itself has them'],
    ['0 0 2 * * ? *', 'seven fields'],
    ['@daily', 'a nickname'],
    ['rate(1 day)', 'a rate'],
    ['0 2 * * * *', 'no "?"'],
    ['0 2 ? * ? *', 'two "?"'],
    ['60 2 * * ? *', 'minute 60'],
    ['0 24 * * ? *', 'hour 24'],
    ['0 2 0 * ? *', 'day 0'],
    ['0 2 32 * ? *', 'day 32'],
    ['0 2 32W * ? *', 'the weekday nearest to day 32'],
    ['0 2 * 13 ? *', 'month 13'],
    ['0 2 * MAY-JUNE ? *', 'a long name'],
    ['0 2 ? * 0 *', 'weekday 0'],
    ['0 2 ? * 8 *', 'weekday 8'],
    ['0 2 ? * MON#6 *', 'the sixth Monday'],
    ['0 2 ? * 3#1,6#3 *', 'two days by number'],
    ['0 2 ? * MON/2 *', 'steps of weekdays'],
    ['0 2 * * ? 1969', 'a year before all'],
    ['0 2 * * ? 2200', 'a year after all'],
    ['0/0 2 * * ? *', 'steps of nothing'],
    ['0 2-3-4 * * ? *', 'a range of three'],
    ['0 2, * * ? *', 'a list that does not end'],
    ['1.5 2 * * ? *', 'a fraction'],
    ['-1 2 * * ? *', 'a negative number'],
    ['? 2 * * ? *', 'any minute'],
    ['0 2 L * L *', 'two last days'],
  ])('refuses %j: %s', (cron) => expect(() => parseCron(cron)).toThrow(TypeError));

  it('accepts values, ranges, lists and steps within each field', () => {
    const field = (min: number, max: number) => {
      const value = fc.integer({ min, max });
      const item = fc.oneof(
        value.map(String),
        fc.tuple(value, value).map((ends) => ends.join('-')),
        fc.tuple(fc.oneof(fc.constant('*'), value), fc.integer({ min: 1, max: 59 })).map((parts) => parts.join('/')),
      );
      return fc.array(item, { minLength: 1, maxLength: 4 }).map((items) => items.join(','));
    };
    const cron = fc.tuple(field(0, 59), field(0, 23), field(1, 31), field(1, 12), fc.constant('?'), field(1970, 2199));
    fc.assert(fc.property(cron, (fields) => void parseCron(fields.join(' '))));
  });
});

describe('a time zone', () => {
  it.each(['UTC', 'Europe/Berlin', 'America/Argentina/Buenos_Aires', 'Etc/GMT+5'])('accepts the time zone %s', (zone) =>
    expect(parseTimeZone(zone)).toBe(zone),
  );

  it.each(['', 'Berlin', '+02:00', 'Mars/Olympus', 'Europe/Berlin; rm'])('refuses the time zone %j', (zone) =>
    expect(() => parseTimeZone(zone)).toThrow(),
  );
});
