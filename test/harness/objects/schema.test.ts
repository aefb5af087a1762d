import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { problemsOf } from '../../../functions/harness/objects/checks.ts';
import { objectKinds } from '../../../functions/harness/objects/object.ts';
import { cases, documents } from '../../local/pipelines/rendering.ts';
import { missedBySchemas } from './mistakes.ts';
import { samples } from './samples.ts';
import { kindsWithSchema, schemaErrors } from './schemas.ts';

const errorsIn = (yaml: string) => schemaErrors(parse(yaml) as Record<string, unknown>);

/** Mistakes that the schemas of Harness find too, by kind. Only the kinds whose schema is here have cases. */
const mistakes: Readonly<Record<string, (yaml: string) => string>> = {
  pipeline: (yaml) => yaml.replace('method: POST', ''),
  trigger: (yaml) => yaml.replace('type: Scheduled', 'type: Sometimes'),
  template: (yaml) => yaml.replace('versionLabel: v1', ''),
  connector: (yaml) => yaml.replace('providerType: Other', 'providerType: Google'),
  secret: (yaml) => yaml.replace('valueType: Inline', 'valueType: File'),
};

describe('the samples', () => {
  it.each(objectKinds)(
    'pass our checks as a %s, and the schema of Harness where it is here',
    (kind) => {
      expect(problemsOf(samples[kind])).toEqual([]);
      expect(errorsIn(samples[kind])).toEqual([]);
    },
    60_000,
  );

  it('fail the schema of Harness with a mistake, for each kind whose schema is here', () => {
    const passed = kindsWithSchema.filter((kind) => {
      const sample = objectKinds.find((name) => name === kind);
      return sample && errorsIn(mistakes[kind]?.(samples[sample]) ?? samples[sample]).length === 0;
    });
    expect(passed).toEqual([]);
  }, 60_000);

  it('pass the schema of Harness with the mistakes that are left to our checks', () => {
    const found = missedBySchemas.filter(([, kind, change]) => errorsIn(change(samples[kind])).length > 0);
    expect(found.map(([name]) => name)).toEqual([]);
  }, 60_000);
});

describe('the rendered objects', () => {
  it.each(cases)("pass Harness's own schemas where they are here: %s", async (_, some) => {
    for (const document of await documents(some)) expect([document, schemaErrors(document)]).toEqual([document, []]);
  });
});
