import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { parseConfiguration } from '../../../functions/settings/configuration.ts';
import { parseExecutionInput } from '../../../functions/settings/execution-input.ts';
import { bearerToken } from '../../../functions/webhook/tokens.ts';
import { type Case, documents, type Document, everything, render, run, url } from './rendering.ts';

const folders: string[] = [];
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));
function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pipelines-'));
  folders.push(folder);
  return folder;
}

interface Step {
  identifier: string;
  spec: Record<string, unknown> & {
    requestBody: string;
    headers: { key: string; value: string }[];
    source: { spec: { script: string } };
    environmentVariables: { name: string; type: string; value: string }[];
  };
}

/** Returns the steps of the first stage of a pipeline, or of the stage template. */
function stepsOf(all: readonly Document[], kind: string, identifier: string): Step[] {
  const found = all.find((document) => document[kind]?.['identifier'] === identifier)?.[kind] as {
    stages?: { stage: { spec: { execution: { steps: { step: Step }[] } } } }[];
    spec?: { spec: { execution: { steps: { step: Step }[] } } };
  };
  const spec = found.stages?.[0]?.stage.spec ?? found.spec?.spec;
  return spec?.execution.steps.map(({ step }) => step) ?? [];
}

/** Fills in the runtime inputs as Harness would. */
function resolved(text: string, values: Record<string, string>): string {
  return text.replaceAll(/<\+(?:pipeline|stage)\.variables\.(\w+)>/g, (_, name: string) => values[name] ?? 'null');
}

describe('the rendered objects', () => {
  it('render a secret, a template, two pipelines and an input set, and on request a connector and a trigger', async () => {
    const ids = (all: Document[]) =>
      all.flatMap((document) =>
        Object.entries(document).map(([kind, { identifier }]) => `${kind} ${String(identifier)}`),
      );
    const own = [
      'template harness_ci_image_factory_stage',
      'pipeline harness_ci_image_factory',
      'pipeline harness_ci_image_factory_reset',
      'inputSet harness_ci_image_factory_defaults',
    ];
    expect(ids(await documents())).toEqual(['secret image_factory_token', ...own]);
    expect(ids(await documents({ options: { via: 'delegate', secret: 'org.key' } }))).toEqual(own);
    expect(ids(await documents({ options: everything }))).toEqual([
      'secret image_factory_token',
      'connector harnessImage',
      ...own,
      'trigger harness_ci_image_factory_schedule',
    ]);
  });

  it('carry the tag of the factory, and the scope', async () => {
    for (const document of await documents({ options: everything }))
      for (const [kind, body] of Object.entries(document)) {
        expect(body['tags']).toEqual({ managed_by: 'harness-ci-image-factory' });
        const scope = kind === 'connector' ? undefined : ['default', 'platform'];
        expect([body['orgIdentifier'], body['projectIdentifier']]).toEqual(scope ?? [undefined, undefined]);
      }
  });

  it('go to files, one for each object', async () => {
    const out = join(temporary(), 'new', 'folder');
    const { text, document } = await run({ options: { out } });
    const files = text.trim().split('\n');
    expect(document).toEqual({ files });
    expect(files.map((file) => basename(file)).toSorted()).toEqual(readdirSync(out).toSorted());
    expect(readdirSync(out).toSorted()).toEqual([
      'inputSet-harness_ci_image_factory_defaults.yaml',
      'pipeline-harness_ci_image_factory.yaml',
      'pipeline-harness_ci_image_factory_reset.yaml',
      'secret-image_factory_token.yaml',
      'template-harness_ci_image_factory_stage.yaml',
    ]);
    expect(parse(readFileSync(join(out, 'pipeline-harness_ci_image_factory.yaml'), 'utf8'))).toEqual(
      (await documents()).find((document) => document['pipeline']?.['identifier'] === 'harness_ci_image_factory'),
    );
  });

  it('have their addresses beside their YAML in the document of --json', async () => {
    const { document } = await run({ options: { schedule: '0 2 * * *' } });
    const [secret, ...others] = 'objects' in document ? document.objects : [];
    const place = { orgIdentifier: 'default', projectIdentifier: 'platform' };
    expect(secret).toEqual({
      kind: 'secret',
      identifier: 'image_factory_token',
      ...place,
      yaml: expect.stringMatching(/^secret:\n/),
    });
    expect(others.map(({ kind }) => kind)).toEqual(['template', 'pipeline', 'pipeline', 'inputSet', 'trigger']);
    expect(others.at(-1)).toMatchObject({ ...place, pipelineIdentifier: 'harness_ci_image_factory' });
  });

  it('never have the API key or the token', async () => {
    const more = { HARNESS_API_KEY: 'sat.account.id.topsecret', WEBHOOK_TOKEN_SECRET: 'the-name' };
    for (const via of ['webhook', 'delegate'] as const)
      expect(await render({ options: { via, ...everything }, more })).not.toMatch(/topsecret|the-name/);
  });
});

describe('the runtime inputs', () => {
  it('have the defaults of the settings and of the input, in the pipelines, the template and the input set', async () => {
    const all = await documents({
      input: {
        infrastructure_type: 'vm',
        include_windows_rootless: 'true',
        registry: 'registry.example.com/harness/team',
      },
    });
    const inputs = [
      {
        name: 'registry',
        type: 'String',
        required: true,
        value: '<+input>.default(registry.example.com/harness/team)',
      },
      {
        name: 'infrastructure_type',
        type: 'String',
        required: true,
        value: '<+input>.default(VM).allowedValues(K8,VM)',
      },
      {
        name: 'include_windows_rootless',
        type: 'String',
        required: true,
        value: '<+input>.default(true).allowedValues(true,false)',
      },
    ];
    for (const { pipeline, template } of all)
      if (pipeline ?? template) expect((pipeline ?? template?.['spec']) as object).toHaveProperty('variables', inputs);
    expect(all.at(-1)?.['inputSet']?.['pipeline']).toEqual({
      identifier: 'harness_ci_image_factory',
      variables: [
        { name: 'registry', type: 'String', value: 'registry.example.com/harness/team' },
        { name: 'infrastructure_type', type: 'String', value: 'VM' },
        { name: 'include_windows_rootless', type: 'String', value: 'true' },
      ],
    });
  });
});

describe('via the webhook', () => {
  it.each([
    ['pipeline', 'harness_ci_image_factory', 'sync'],
    ['template', 'harness_ci_image_factory_stage', 'sync'],
    ['pipeline', 'harness_ci_image_factory_reset', 'reset'],
  ])(
    'starts a run that the deployment accepts, polls it, and ends as it did: %s %s',
    async (kind, identifier, action) => {
      const all = await documents({ input: { modules: ['ci'], recheck_days: 3 } });
      const [start, wait, outcome, ...others] = stepsOf(all, kind, identifier);
      expect(others).toEqual([]);
      expect(start?.spec).toMatchObject({ url, method: 'POST', assertion: '<+httpResponseCode> == 202' });
      const values = {
        registry: 'registry.example.com/harness',
        infrastructure_type: 'VM',
        include_windows_rootless: 'true',
      };
      const body = JSON.parse(resolved(start?.spec.requestBody ?? '', values)) as object;
      const run = parseExecutionInput(body, parseConfiguration({ HARNESS_API_KEY: 'key' }));
      expect(run).toMatchObject({ action, infrastructureTypes: ['VM'], modules: ['ci'] });
      expect(run.includeWindowsRootless).toBe(action === 'sync');
      expect(run.recheckDays).toBe(action === 'sync' ? 3 : 7);
      for (const step of [start, wait, outcome]) {
        const { value = '' } = step?.spec.headers.find(({ key }) => key === 'Authorization') ?? {};
        expect(value).toBe('Bearer <+secrets.getValue("image_factory_token")>');
        expect(bearerToken(value.replace(/<\+.*>/, 'a-token-of-good-length'))).toBe('a-token-of-good-length');
      }
      for (const { spec } of [wait, outcome].flatMap((step) => step ?? []))
        expect(spec).toMatchObject({ url: '<+execution.steps.start.output.outputVariables.url>', method: 'GET' });
      expect(wait?.spec['assertion']).toContain('!= "RUNNING"');
      expect(outcome?.spec['assertion']).toContain('!= "FAILED"');
    },
  );
});

describe('via a delegate', () => {
  /** Runs the script of a step with a stand-in for the command, and returns what it got. */
  function execute(step: Step | undefined, factory: string | undefined) {
    const bin = temporary();
    if (factory !== undefined) {
      writeFileSync(join(bin, 'factory'), `#!/bin/sh\n${factory}\n`);
      chmodSync(join(bin, 'factory'), 0o755);
    }
    const variables = step?.spec.environmentVariables.map(({ name, value }) => [name, value] as const) ?? [];
    const script = `${step?.spec.source.spec.script}\n[ $? = 0 ] || exit 1\necho "images: $images"`;
    return spawnSync('/bin/bash', ['-c', script], {
      encoding: 'utf8',
      env: { ...Object.fromEntries(variables), PATH: `${bin}:/usr/bin:/bin` },
    });
  }

  it('runs the command with the input on standard input, and with the settings but no secrets in variables', async () => {
    const more = {
      SOURCE_REGISTRY: 'gar',
      HARNESS_API_KEY: 'sat.a.b.c',
      CALLBACK_URL_SECRET: 'x',
      MAX_CONCURRENCY: ' 8 ',
    };
    const all = await documents({
      options: { via: 'delegate', state: "/data/it's here" },
      input: { recheck_days: 3 },
      more,
    });
    const [step] = stepsOf(all, 'pipeline', 'harness_ci_image_factory');
    expect(step?.spec.environmentVariables.filter(({ name }) => name !== 'FACTORY_INPUT')).toEqual([
      { name: 'HARNESS_API_KEY', type: 'Secret', value: 'image_factory_key' },
      { name: 'ORG_ID', type: 'String', value: 'default' },
      { name: 'PROJECT_ID', type: 'String', value: 'platform' },
      { name: 'REGISTRY_NAME', type: 'String', value: 'registry.example.com/harness' },
      { name: 'SOURCE_REGISTRY', type: 'String', value: 'gar' },
      { name: 'MAX_CONCURRENCY', type: 'String', value: '8' },
      { name: 'FACTORY_STATE', type: 'String', value: "/data/it's here" },
    ]);
    const { status, stdout } = execute(step, 'printf "%s|" "$@"; cat');
    expect(status).toBe(0);
    expect(stdout).toContain("sync|--yes|--wait|--input|-|--state|/data/it's here|");
    expect(stdout).toContain('{"recheck_days":3,"registry":"<+pipeline.variables.registry>"');
  });

  it('fails when the command fails, and says how to install it where it is missing', async () => {
    const all = await documents({ options: { via: 'delegate' } });
    for (const id of ['harness_ci_image_factory', 'harness_ci_image_factory_reset']) {
      const [step] = stepsOf(all, 'pipeline', id);
      expect(execute(step, 'exit 1').status).toBe(1);
      const missing = execute(step, undefined);
      expect(missing.status).toBe(1);
      expect(missing.stderr).toContain('npm install --global harness-ci-image-factory');
    }
  });
});

describe('settings that are wrong', () => {
  it.each<[string, Case, object[]]>([
    ['no project', { more: { ORG_ID: '', PROJECT_ID: '' } }, [{ path: 'ORG_ID' }, { path: 'PROJECT_ID' }]],
    ['no webhook', { options: { url: undefined } }, [{ path: '--url', found: 'nothing' }]],
    ['plain http', { options: { url: 'http://x.example/runs' } }, [{ path: '--url' }]],
    [
      'credentials in the address',
      { options: { url: 'https://user:pw@x.example/runs' } },
      [{ path: '--url', found: expect.not.stringContaining('pw') }],
    ],
    ['another path', { options: { url: 'https://x.example/' } }, [{ path: '--url' }]],
    ['a webhook for a delegate', { options: { via: 'delegate', url } }, [{ path: '--url' }]],
    ['a state for the webhook', { options: { state: '/data' } }, [{ path: '--state' }]],
    ['six fields of cron', { options: { schedule: '0 2 * * ? *' } }, [{ path: '--schedule' }]],
    [
      'a token in place of its secret',
      { options: { secret: 'sat.a.b.c' } },
      [{ path: '--secret', found: '(not shown)' }],
    ],
    ['both infrastructures', { input: { infrastructure_type: 'K8,VM' } }, [{ path: '$.infrastructure_type' }]],
    [
      'what the webhook refuses',
      { input: { prune: true } },
      [{ path: '$.prune', allowed: expect.stringContaining('WEBHOOK_ALLOW') }],
    ],
  ])('fail with the place of each problem: %s', async (_, some, problems) => {
    await expect(render(some)).rejects.toMatchObject({ problems });
  });

  it('fail when options exclude each other', async () => {
    for (const options of [{ register: true, unregister: true }, { dryRun: true }, { out: 'x', register: true }])
      await expect(render({ options })).rejects.toMatchObject({ name: 'InvalidInput' });
  });

  it('accept what the deployment allows its callers, and anything on a runner', async () => {
    const input = { prune: true };
    await expect(render({ input, more: { WEBHOOK_ALLOW: 'prune' } })).resolves.toContain('"prune":true');
    await expect(render({ input, options: { via: 'delegate' } })).resolves.toContain('"prune":true');
  });

  it('name no line of cron that Harness cannot read', async () => {
    await expect(render({ options: { schedule: '99 2 * * *' } })).rejects.toMatchObject({
      name: 'InvalidConfiguration',
    });
  });
});
