import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseConfiguration } from '../../functions/settings/configuration.ts';
import { parseExecutionInput } from '../../functions/settings/execution-input.ts';
import { inputKeys, understood } from '../../functions/settings/input-schema.ts';
import { problemsFrom } from './problems-from.ts';

const configuration = parseConfiguration({
  HARNESS_API_KEY: 'sat.account.id.secret',
  REGISTRY_NAME: 'reg.example:5000/mirror',
});
const inputOf = (input: unknown) => parseExecutionInput(input, configuration).input;

const brokenList = 'a list that is not JSON, such as ["a", "b"] with double quotes';
const problemsOf = (input: unknown) => problemsFrom('InvalidInput', () => parseExecutionInput(input, configuration));

describe('understood input', () => {
  it.each<[string, string, unknown]>([
    ['prune', 'true', true],
    ['modify_default', 'False', false],
    ['allow_unmatched', ' TRUE\n', true],
    ['max_concurrency', '5', 5],
    ['soak_days', '07', 7],
    ['action', 'Plan', 'plan'],
    ['reset_scope', 'ALL', 'all'],
    ['infrastructure_type', 'k8', 'K8'],
    ['infrastructure_type', 'k8, vm', ['K8', 'VM']],
    ['infrastructure_type', '["k8","VM"]', ['K8', 'VM']],
    ['modules', '["ci"]', ['ci']],
    ['modules', 'CI,idp,', ['ci', 'idp']],
    ['include_sets', 'Core, STO', ['core', 'sto']],
    ['extra_sets', 'delegate', 'delegate'],
    ['source_registry', 'gar, mirror.example/x', ['gar', 'mirror.example/x']],
    ['include_fields', 'addonTag', 'addonTag'],
    ['include_fields', '{addon,liteEngine}*,gitCloneTag', ['{addon,liteEngine}*', 'gitCloneTag']],
    ['exclude_fields', '[a-c]*Tag,[d-f]*Tag', ['[a-c]*Tag', '[d-f]*Tag']],
    ['exclude_fields', '[]', []],
    ['extra_images', 'plugins/email:^1, harness/delegate:1', ['plugins/email:^1', 'harness/delegate:1']],
    ['platforms', 'linux/amd64,linux/arm64', ['linux/amd64', 'linux/arm64']],
    ['pins', '{"harness/ci-addon": "1.18.22"}', { 'harness/ci-addon': '1.18.22' }],
    ['registry', 'https://Host.example/prefix/', 'host.example/prefix'],
  ])('reads a text as the value of its key: %s %j', (key, text, value) => {
    expect(inputOf({ [key]: text })).toEqual({ [key]: value });
  });

  it('reads a list of objects from JSON', () => {
    const allow = [{ id: 'CVE-2025-1', until: '2999-01-31' }];
    const registry = '123456789012.dkr.ecr.eu-west-1.amazonaws.com';
    const input = { registry, wait_for_scan: 'true', scan_allow: JSON.stringify(allow), scan_fail_on: 'high' };
    expect(inputOf(input)).toEqual({ registry, wait_for_scan: true, scan_allow: allow, scan_fail_on: 'HIGH' });
  });

  it('leaves out every key whose text is empty', () => {
    for (const blank of ['', ' ', '\n'])
      expect(inputOf(Object.fromEntries(inputKeys().map((key) => [key, blank])))).toEqual({});
  });

  it('gives texts the settings of the values that they stand for', () => {
    const texts = { modules: 'ci', prune: 'true', pins: '{"plugins/cache":"1"}', keep_versions: '2', registry: '' };
    const values = { modules: ['ci'], prune: true, pins: { 'plugins/cache': '1' }, keep_versions: 2 };
    const { input: _texts, ...understoodTexts } = parseExecutionInput(texts, configuration);
    const { input: _values, ...settings } = parseExecutionInput(values, configuration);
    expect(JSON.stringify(understoodTexts)).toBe(JSON.stringify(settings));
  });
});

describe('texts that are no values of their keys', () => {
  it.each<[string, string, string, string]>([
    ['infrastructure_type', 'K8,XX', '$.infrastructure_type[1]', '"XX"'],
    ['modules', '["ci", "cd"]', '$.modules[1]', '"cd"'],
    ['pins', '{"harness/ci-addon:1": "1"}', '$.pins["harness/ci-addon:1"]', '"1"'],
    ['pins', '{"harness/ci-addon": "1"', '$.pins', '"{\\"harness/ci-addon\\": \\"1\\""'],
    ['prune', 'yes', '$.prune', '"yes"'],
    ['max_concurrency', '-5', '$.max_concurrency', '"-5"'],
    ['registry', 'null', '$.registry', '"null", the text of a Harness expression without a value'],
    ['modify_default', '<+pipeline.variables.switch>', '$.modify_default', 'an unresolved Harness expression (<+…>)'],
    ['modules', "['ci','iacm']", '$.modules', brokenList],
    ['modules', '[ci, iacm]', '$.modules', brokenList],
    ['modules', '["ci",]', '$.modules', brokenList],
    ['extra_images', "['plugins/email:^1']", '$.extra_images', brokenList],
    ['exclude_fields', "['addonTag*', 'liteEngineTag*']", '$.exclude_fields', brokenList],
    ['exclude_fields', 'a*,<+input>', '$.exclude_fields[1]', 'an unresolved Harness expression (<+…>)'],
    ['include_fields', '<+input>', '$.include_fields', 'an unresolved Harness expression (<+…>)'],
    ['modules', '<+input>', '$.modules', 'an unresolved Harness expression (<+…>)'],
  ])('keep their place in the problem, with what was found: %s %j', (key, text, path, found) => {
    expect(problemsOf({ [key]: text })).toEqual([expect.objectContaining({ path, found })]);
  });

  it('cannot hide below lists and maps when Harness left them unresolved', () => {
    const problems = problemsOf({
      pins: { 'plugins/cache': 'null' },
      extra_images: ['harness/delegate:<+pipeline.variables.tag>'],
    });
    expect(problems.map(({ path }) => path)).toEqual(['$.pins["plugins/cache"]', '$.extra_images[0]']);
    for (const { allowed } of problems) expect(allowed).toMatch(/tag/);
  });

  it('cannot be empty under an unknown key', () => {
    expect(problemsOf({ PRUNE: '' }).map(({ path }) => path)).toEqual(['$.PRUNE']);
  });
});

describe('any input', () => {
  const values = fc.oneof(
    fc.jsonValue(),
    fc.jsonValue().map((value) => JSON.stringify(value)),
    fc.constantFrom('true', ' False', '5', 'K8,vm', '[["a"]]', '[a,b]', '["null"]', '{"a":"<+b>"}', '{{a,b},c},d', ''),
  );

  it('means the same when it is read a second time', () => {
    const keyed = fc.dictionary(fc.constantFrom(...inputKeys(), 'other', '__proto__'), values);
    fc.assert(
      fc.property(keyed, (input) => {
        const once = understood(input);
        expect(understood(once)).toEqual(once);
      }),
      { numRuns: 500 },
    );
  });
});
