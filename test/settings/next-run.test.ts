import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { nextRun } from '../../functions/settings/next-run.ts';

const startOf = (cron: string, timeZone: string, after: string) =>
  nextRun(cron, timeZone, new Date(after))?.toISOString().replace(':00.000Z', 'Z');

describe('the next start of a schedule', () => {
  it.each([
    ['later today', '0 2 * * ? *', 'UTC', '2026-11-28T01:59:59Z', '2026-11-28T02:00Z'],
    ['tomorrow, as the start itself is over', '0 2 * * ? *', 'UTC', '2026-11-28T02:00:00Z', '2026-11-29T02:00Z'],
    ['the next of several on one day', '0/30 8-9 * * ? *', 'UTC', '2026-11-28T08:30:01Z', '2026-11-28T09:00Z'],
    ['on Monday, after a Friday', '0 18 ? * MON-FRI *', 'UTC', '2026-11-27T18:00:00Z', '2026-11-30T18:00Z'],
    ['on the last day of February', '0 6 L 2 ? *', 'UTC', '2026-11-28T00:00:00Z', '2027-02-28T06:00Z'],
    ['on the next leap day', '0 2 29 2 ? *', 'UTC', '2026-11-28T00:00:00Z', '2028-02-29T02:00Z'],
    ['in a named year', '0 2 1 1 ? 2030', 'UTC', '2026-11-28T00:00:00Z', '2030-01-01T02:00Z'],
    ['by the clocks of summer', '0 2 * * ? *', 'Europe/Berlin', '2026-07-01T00:30:00Z', '2026-07-02T00:00Z'],
    ['by the clocks of winter', '0 2 * * ? *', 'Europe/Berlin', '2026-12-01T00:30:00Z', '2026-12-01T01:00Z'],
    ['far in the east', '30 0 * * ? *', 'Pacific/Auckland', '2026-12-01T11:00:00Z', '2026-12-01T11:30Z'],
    ['far in the west', '30 23 * * ? *', 'Pacific/Pago_Pago', '2026-12-02T10:00:00Z', '2026-12-02T10:30Z'],
    [
      'a day later, where clocks leave the time out',
      '0 2 * * ? *',
      'Europe/Berlin',
      '2026-03-28T01:30:00Z',
      '2026-03-30T00:00Z',
    ],
    [
      'the first of two times that the clocks show',
      '0 2 * * ? *',
      'Europe/Berlin',
      '2026-10-24T12:00:00Z',
      '2026-10-25T00:00Z',
    ],
    ['once on that day', '0 2 * * ? *', 'Europe/Berlin', '2026-10-25T00:00:00Z', '2026-10-26T01:00Z'],
  ])('comes %s', (_, cron, timeZone, after, start) => {
    expect(startOf(cron, timeZone, after)).toBe(start);
  });

  it.each([
    ['is over', '0 2 * * ? 2020-2024'],
    ['had its last start', '0 2 1 1 ? 2026'],
    ['never starts', '0 2 30 2 ? *'],
  ])('does not exist for a schedule that %s', (_, cron) => {
    expect(startOf(cron, 'UTC', '2026-11-28T00:00:00Z')).toBeUndefined();
  });

  it('shows the hour and the minute of the schedule on the clocks of its zone, within two days', () => {
    const zones = fc.constantFrom('UTC', 'Europe/Berlin', 'America/St_Johns', 'Asia/Kathmandu', 'Africa/Cairo');
    const instants = fc.date({ min: new Date('2026-01-01'), max: new Date('2040-01-01'), noInvalidDate: true });
    fc.assert(
      fc.property(fc.nat(59), fc.nat(23), zones, instants, (minute, hour, timeZone, after) => {
        const start = nextRun(`${minute} ${hour} * * ? *`, timeZone, after);
        const wait = (start?.getTime() ?? 0) - after.getTime();
        expect(wait).toBeGreaterThan(0);
        // A day whose clocks leave the time out is followed by one of 25 hours at the most.
        expect(wait).toBeLessThanOrEqual(49 * 3_600_000);
        const clock = new Intl.DateTimeFormat('en-GB', { timeZone, hour: 'numeric', minute: 'numeric' }).format(start);
        expect(clock).toBe([hour, minute].map((each) => String(each).padStart(2, '0')).join(':'));
      }),
      { numRuns: 300 },
    );
  });

  it('refuses other dialects of cron', () => {
    expect(() => nextRun('@daily', 'UTC', new Date())).toThrow(TypeError);
  });
});
