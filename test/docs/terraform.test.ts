import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import * as z from 'zod';
import { renderObjects } from '../../infra/local/pipelines/objects.ts';
import { pipelineSettings } from '../../infra/local/pipelines/settings.ts';

const require = createRequire(import.meta.url);
/** https://github.com/open-constructs/cdk-terrain/tree/main/packages/%40cdktn/hcl2json */
const hcl = require('@cdktn/hcl2json') as { parse(file: string, text: string): Promise<unknown> };

const page = readFileSync(join(import.meta.dirname, '../../docs/terraform.md'), 'utf8');
/** The blocks of a language, without the indentation of a list. */
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`^( *)\`\`\`${language}\\n([\\s\\S]*?)^ *\`\`\`$`, 'gm'))].map(
    ([, indentation = '', text = '']) => text.replaceAll(new RegExp(`^${indentation}`, 'gm'), ''),
  );

const values = z.array(z.record(z.string(), z.unknown()));
const byName = z.record(z.string(), values);
const configuration = z.object({
  resource: z.record(z.string(), byName).default({}),
  data: z.record(z.string(), byName).default({}),
  removed: z
    .array(z.object({ from: z.string(), lifecycle: z.tuple([z.object({ destroy: z.literal(false) })]) }))
    .default([]),
});

/** Arguments of the provider harness/harness at cb1a059, docs/resources and docs/data-sources. */
const provider: Record<string, { required: string[]; optional: string[] }> = {
  harness_platform_connector_docker: {
    required: ['identifier', 'name', 'type', 'url'],
    optional: [
      'credentials',
      'delegate_selectors',
      'description',
      'execute_on_delegate',
      'org_id',
      'project_id',
      'tags',
    ],
  },
  harness_platform_default_images: { required: ['field', 'kind'], optional: ['infra_type', 'value'] },
  harness_platform_input_set: {
    required: ['identifier', 'name', 'org_id', 'pipeline_id', 'project_id'],
    optional: ['description', 'tags', 'yaml'],
  },
  harness_platform_pipeline: {
    required: ['identifier', 'name', 'org_id', 'project_id'],
    optional: ['description', 'tags', 'yaml'],
  },
  harness_platform_secret_text: {
    required: ['identifier', 'name', 'secret_manager_identifier', 'value_type'],
    optional: ['description', 'org_id', 'project_id', 'tags', 'value'],
  },
  harness_platform_template: {
    required: ['identifier', 'name', 'version'],
    optional: ['comments', 'is_stable', 'org_id', 'project_id', 'tags', 'template_yaml'],
  },
  harness_platform_triggers: {
    required: ['identifier', 'name', 'org_id', 'project_id', 'target_id', 'yaml'],
    optional: ['description', 'if_match', 'ignore_error', 'tags'],
  },
  'data harness_platform_default_images': { required: ['kind'], optional: ['infra_type', 'type'] },
  'data aws_secretsmanager_secret_version': { required: ['secret_id'], optional: ['version_id', 'version_stage'] },
};
const ofTerraform = new Set(['for_each', 'depends_on', 'lifecycle']);

describe('the page on Terraform', () => {
  let resources: { type: string; name: string; names: string[] }[];
  let removed: string[];
  beforeAll(async () => {
    const parsed = await Promise.all(
      blocks('hcl').map(async (text, index) => configuration.parse(await hcl.parse(`block-${index}.tf`, text))),
    );
    const entries = (kind: 'resource' | 'data', prefix: string) =>
      parsed
        .flatMap((block) => Object.entries(block[kind]))
        .flatMap(([type, named]) =>
          Object.entries(named).flatMap(([name, instances]) =>
            instances.map((given) => ({ type: `${prefix}${type}`, name, names: Object.keys(given) })),
          ),
        );
    resources = [...entries('resource', ''), ...entries('data', 'data ')];
    removed = parsed.flatMap((block) => block.removed.map(({ from }) => from));
  });

  it('has configurations of every kind of object that the factory renders, and of default images', () => {
    expect(new Set(resources.map(({ type }) => type))).toEqual(new Set(Object.keys(provider)));
  });

  it('reads the files that the command renders', () => {
    const options = { via: 'webhook' as const, url: 'https://factory.example/runs', schedule: '0 2 * * *' };
    const variables = { ORG_ID: 'default', PROJECT_ID: 'platform', REGISTRY_NAME: 'registry.example/harness' };
    const refs = renderObjects(pipelineSettings(options, {}, variables), {}).map(({ ref }) => ref);
    const kinds = [...page.matchAll(/if can\(it\.(\w+)\)/g)].map(([, kind]) => kind);
    expect(new Set(kinds)).toEqual(new Set(refs.map(({ kind }) => kind)));
    const files = refs.map(({ kind, identifier }) => `${kind}-${identifier}.yaml`);
    const named = [...page.matchAll(/\bpipeline-\w+\.yaml/g)].map(([name]) => name);
    expect(named).toHaveLength(2);
    expect(files).toEqual(expect.arrayContaining(named));
  });

  it('uses only arguments that the provider has, and all that it requires', () => {
    const wrong = resources.flatMap(({ type, name, names }) => {
      const { required = [], optional = [] } = provider[type] ?? {};
      const own = names.filter((each) => !ofTerraform.has(each));
      const unknown = own.filter((each) => !required.includes(each) && !optional.includes(each));
      const missing = required.filter((each) => !own.includes(each));
      return [...unknown, ...missing].map((each) => `${type}.${name}: ${each}`);
    });
    expect(wrong).toEqual([]);
  });

  it('hands over a resource that another block of the page has', () => {
    const known = resources.map(({ type, name }) => `\${${type}.${name}}`);
    expect(removed).toHaveLength(1);
    expect(known).toEqual(expect.arrayContaining(removed));
  });

  it('has inputs that are JSON', () => {
    const inputs = blocks('json').map((text): unknown => JSON.parse(text));
    expect(inputs).toEqual([{ exclude_fields: ['gitCloneTag'] }]);
  });
});
