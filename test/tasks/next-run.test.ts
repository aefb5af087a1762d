import { describe, expect, it } from '@jest/globals';
import { announcements } from '../../functions/lambda/announcements.ts';
import { reportPage } from '../../functions/pages/report-page.ts';
import { report as reportSchema, type Report } from '../../functions/state/documents.ts';
import { textOf } from '../pages/markup.ts';
import { caught, planOf, reportOn, setStage } from './stage.ts';

const deployed = { POWERTOOLS_SERVICE_NAME: 'factory-1' };
const nightly = { ...deployed, SCHEDULE: '0 2 * * ? *', SCHEDULE_TIME_ZONE: 'Europe/Berlin' };

/** Reports a failed run of a deployment with these variables. */
async function failedRun(variables: Record<string, string>): Promise<Report> {
  const { nextRun } = announcements(variables);
  const stage = setStage({ nextRun });
  try {
    await reportOn(stage, planOf(), { error: caught('RegistryFailed') });
    return reportSchema.parse(await stage.documents.report.find());
  } finally {
    await stage.runtime.close();
  }
}

describe('the next run in a report', () => {
  it('names the next start of the schedule that the function was deployed with', async () => {
    const report = await failedRun(nightly);
    const { nextRun = '' } = report;
    const wait = Date.parse(nextRun) - Date.now();
    expect(wait).toBeGreaterThan(-60_000);
    expect(wait).toBeLessThan(50 * 3_600_000);
    expect(new Date(nextRun).toLocaleTimeString('en-GB', { timeZone: 'Europe/Berlin' })).toBe('02:00:00');
    const text = textOf(reportPage(report));
    const shown = `${nextRun.slice(0, 16).replace('T', ' ')}:00 UTC`;
    expect(text).toContain(`The schedule starts the next run at ${shown}.`);
    expect(text).toContain(`Next run ${shown}, by the schedule`);
  });

  it('stays absent without a schedule, from the page too', async () => {
    const report = await failedRun(deployed);
    expect(report).not.toHaveProperty('nextRun');
    expect(textOf(reportPage(report))).not.toContain('ext run');
  });
});
