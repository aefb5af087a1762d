import { afterEach, expect, it } from '@jest/globals';
import { reportPage } from '../../functions/pages/report-page.ts';
import { type Factory, startFactory } from '../tasks/factory.ts';
import { textOf } from './markup.ts';

let factory: Factory;
afterEach(() => factory.close());

it('shows every check of a failed doctor with its cure, and that nothing was changed', async () => {
  factory = await startFactory({ environment: { SOURCE_REGISTRY: '127.0.0.1:1' } });
  const report = await factory.run('doctor');
  const text = textOf(reportPage(report));
  expect(text).toContain('Nothing was changed: doctor only looks.');
  expect(text).toContain(`Checks (${report.checks?.length})`);
  for (const { name, cure = '' } of report.checks ?? []) {
    expect(text).toContain(name);
    expect(text).toContain(cure);
  }
});
