import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parseConfiguration } from '../../functions/settings/configuration.ts';
import { actions, parseExecutionInput } from '../../functions/settings/execution-input.ts';

const root = join(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/triggers.md'), 'utf8');
const configuration = parseConfiguration({ HARNESS_API_KEY_SECRET: 'key', REGISTRY_NAME: 'registry.example' });
const inputs = [...page.matchAll(/^```json\n([\s\S]+?)^```/gm)].map(([, block = '']) => JSON.parse(block) as object);

describe('the page of triggers', () => {
  it.each(inputs.map((input) => [input]))('shows the input %j, which a run takes', (input) => {
    expect(() => parseExecutionInput(input, configuration)).not.toThrow();
  });

  it('shows an input for every action', () => {
    const shown = inputs.map((input) => parseExecutionInput(input, configuration).action);
    expect(new Set(shown)).toEqual(new Set(actions));
  });

  it('shows a schedule that a deployment takes', () => {
    const [, SCHEDULE] = /SCHEDULE='([^']+)'/.exec(page) ?? [];
    const [, SCHEDULE_TIME_ZONE] = /SCHEDULE_TIME_ZONE=(\S+)/.exec(page) ?? [];
    expect(parseConfiguration({ HARNESS_API_KEY_SECRET: 'key', SCHEDULE, SCHEDULE_TIME_ZONE })).toMatchObject({
      schedule: SCHEDULE,
      scheduleTimeZone: SCHEDULE_TIME_ZONE,
    });
  });

  it('is linked from the README', () => {
    expect(readFileSync(join(root, 'README.md'), 'utf8')).toContain('](docs/triggers.md)');
  });
});
