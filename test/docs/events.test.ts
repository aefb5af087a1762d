import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import * as z from 'zod';
import { outcomeDetail, outcomeDetailType, outcomeSource } from '../../functions/state/outcome-event.ts';
import { eventsPage, eventsPath } from './reference/events.ts';

const page = readFileSync(join(import.meta.dirname, '../..', eventsPath), 'utf8');

describe('the page of events', () => {
  it('matches the output of `npm run docs:reference`', async () => {
    expect(page).toBe(await eventsPage(page));
    expect(page).toContain('"$schema"');
  });

  it('has an example that the schema accepts, without further keys', () => {
    const [, example = ''] = /## An example\n\n```json\n([\s\S]*?)```/.exec(page) ?? [];
    expect(outcomeDetail.strict().safeParse(JSON.parse(example)).error).toBeUndefined();
  });

  it('has a schema that accepts events with the keys of later releases, and no others', () => {
    const [, text = ''] = /<!-- schema -->\n\n```json\n([\s\S]*?)```/.exec(page) ?? [];
    const schema = z.fromJSONSchema(JSON.parse(text) as z.core.JSONSchema.JSONSchema);
    const [, example = ''] = /## An example\n\n```json\n([\s\S]*?)```/.exec(page) ?? [];
    const detail = JSON.parse(example) as Record<string, unknown>;
    const accepts = (change: object) => schema.safeParse({ ...detail, ...change }).success;
    expect([{}, { later: { key: 1 } }].map(accepts)).toEqual([true, true]);
    expect([{ outcome: 'other' }, { version: 2 }, { runId: 1 }, { durationMs: -1 }].map(accepts)).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });

  it('tells of the source, the type and each outcome', () => {
    for (const name of [outcomeSource, outcomeDetailType, ...outcomeDetail.shape.outcome.options])
      expect(page).toContain(`\`${name}\``);
    for (const [, pattern = ''] of page.matchAll(/--event-pattern '(\{[\s\S]*?\n\})'/g)) {
      const { source, 'detail-type': type, detail } = JSON.parse(pattern) as Record<string, unknown>;
      expect([source, type]).toEqual([[outcomeSource], [outcomeDetailType]]);
      expect(detail).toEqual({ outcome: ['failed', 'rolled-back', 'left-switched'] });
    }
  });
});
