import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { harnessObject } from '../../functions/harness/objects/object.ts';
import { pipelinesCommand } from '../../infra/local/pipelines/cli.ts';
import { stageTemplate } from '../../infra/local/pipelines/template-contract.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/harness-pipelines.md'), 'utf8');
const [scan = '', build = '', ...more] = [...page.matchAll(/^```yaml\n([\s\S]+?)^```/gm)].map(
  ([, block = '']) => block,
);
const documentOf = (yaml: string) => (parse(yaml) as { template: Record<string, unknown> }).template;
const reference = { templateRef: 'x' };

describe('the page of Harness pipelines', () => {
  it('shows templates that keep their contracts, and that Harness takes', () => {
    expect(more).toEqual([]);
    for (const yaml of [scan, build]) expect(harnessObject(yaml).ref.kind).toBe('template');
    const { result } = stageTemplate('gatherScan', reference, documentOf(scan));
    expect(result?.expression('s')).toBe(
      '<+pipeline.stages.s.spec.execution.steps.passed.output.outputVariables.images>',
    );
    expect(stageTemplate('buildPush', reference, documentOf(build)).variables).toEqual(['image', 'source', 'target']);
  });

  it.each<[string, 'gatherScan' | 'buildPush', string, string, string]>([
    ['another kind', 'gatherScan', 'type: Stage', 'type: Step', 'template.type'],
    [
      'another variable',
      'gatherScan',
      'name: images\n        type: String\n        value: <+input>',
      'name: list\n        type: String\n        value: x',
      'template.spec.variables',
    ],
    ['a fixed condition', 'buildPush', 'condition: <+input>', 'condition: "true"', 'template.spec.when.condition'],
    ['a fixed strategy', 'buildPush', 'strategy: <+input>', 'strategy: { parallelism: 2 }', 'template.spec.strategy'],
    [
      'another input',
      'buildPush',
      'timeout: 1h',
      'timeout: <+input>',
      'template.spec.spec.execution.steps.0.step.timeout',
    ],
    ['another result', 'gatherScan', 'identifier: passed', 'identifier: result', 'template.spec.execution.steps'],
  ])('describes a contract that a template can break: %s', (_, name, from, to, path) => {
    const yaml = (name === 'gatherScan' ? scan : build).replace(from, to);
    expect(() => stageTemplate(name, reference, documentOf(yaml))).toThrow(
      expect.objectContaining({
        problems: expect.arrayContaining([expect.objectContaining({ path: expect.stringContaining(path) })]),
      }),
    );
  });

  it('finds the result in a group of steps', () => {
    const document = documentOf(scan);
    const spec = document['spec'] as { spec: { execution: { steps: unknown[] } } };
    const { steps } = spec.spec.execution;
    spec.spec.execution.steps = [{ parallel: [{ stepGroup: { name: 'g', identifier: 'g', steps } }] }];
    expect(stageTemplate('gatherScan', reference, document).result?.expression('s')).toContain(
      '.steps.g.steps.passed.',
    );
  });

  it('names options that the command has', () => {
    const options = pipelinesCommand(async () => undefined).options.map(({ long }) => long);
    for (const [option] of page.matchAll(/(?<!-)--(?!silent|global|quiet|exit|severity|push|tag|file)[a-z][a-z-]*/g))
      expect(options).toContain(option);
  });
});
