import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const read = (path: string) => readFileSync(join(import.meta.dirname, '../..', path), 'utf8');
const page = read('docs/deployment.md');
const matches = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, name = '']) => name);

describe('the page of the deployment', () => {
  const props = read('infra/harness-ci-image-factory-props.ts').replace(
    /^(?:export )?interface (?:ProxyProps|WebhookOptions) \{[\s\S]*?^\}/gm,
    '',
  );

  it.each(matches(props, /^ {2}readonly (\w+)\?:/gm))('tells of the prop %s', (prop) => {
    expect(page).toContain(`\`${prop}\``);
  });

  it.each(matches(read('infra/operations/alarms.ts'), /this\.#add\(\s*'(\w+)'/g))('tells of the alarm %s', (alarm) => {
    expect(page).toMatch(new RegExp(`^\\| \`${alarm}\` +\\|`, 'm'));
  });

  it.each(matches(read('infra/harness-ci-image-factory.ts'), /^ {2}((?:metric|grant)\w*)\(/gm))(
    'tells of %s',
    (method) => {
      expect(page).toMatch(new RegExp(`\`${method}\\(`));
    },
  );

  it.each(matches(read('infra/stack.ts') + read('infra/stack-outputs.ts'), /new CfnOutput\(\w+, '(\w+)'/g))(
    'tells of the output %s',
    (output) => {
      expect(page).toContain(`\`${output}\``);
    },
  );

  it('links the page of the deployment from the README', () => {
    expect(read('README.md')).toContain('](docs/deployment.md)');
  });
});
