import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import * as z from 'zod';
import { parseConfiguration } from '../../functions/settings/configuration.ts';
import { parseExecutionInput } from '../../functions/settings/execution-input.ts';
import { actions } from '../../functions/settings/input-schema.ts';
import { bearerToken } from '../../functions/webhook/tokens.ts';
import { parseDeploymentSettings } from '../../infra/deployment-settings.ts';

const root = join(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/triggers.md'), 'utf8');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const configuration = parseConfiguration({ HARNESS_API_KEY_SECRET: 'key', REGISTRY_NAME: 'registry.example' });
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]+?)^\`\`\``, 'gm'))].map(([, block = '']) => block);
const actionOf = (input: unknown) => parseExecutionInput(input, configuration).action;
const inputs = blocks('json').map((block) => JSON.parse(block) as object);

describe('the page of triggers', () => {
  it.each(inputs.map((input) => [input]))('shows the input %j, which a run takes', (input) => {
    expect(() => actionOf(input)).not.toThrow();
  });

  it('shows an input for every action', () => {
    expect(new Set(inputs.map(actionOf))).toEqual(new Set(actions));
  });

  it('shows a schedule that a deployment takes', () => {
    const [, SCHEDULE] = /SCHEDULE='([^']+)'/.exec(page) ?? [];
    const [, SCHEDULE_TIME_ZONE] = /SCHEDULE_TIME_ZONE=(\S+)/.exec(page) ?? [];
    const [, SCHEDULE_INPUT = ''] = /SCHEDULE_INPUT='([^']+)'/.exec(page) ?? [];
    const shown = { HARNESS_API_KEY_SECRET: 'key', SCHEDULE, SCHEDULE_TIME_ZONE, SCHEDULE_INPUT };
    expect(parseDeploymentSettings(shown)).toMatchObject({
      schedule: SCHEDULE,
      scheduleTimeZone: SCHEDULE_TIME_ZONE,
      scheduleInput: JSON.parse(SCHEDULE_INPUT) as object,
    });
  });
});

describe('the README', () => {
  const [, onAws = ''] = /\n## Deploy to AWS\n([\s\S]+?)\n## /.exec(readme) ?? [];

  it('shows inputs to paste into the console, which a run takes', () => {
    const pasted = [...onAws.matchAll(/^\| `(\{.*?\})`/gm)].map(([, input = '']) => JSON.parse(input) as object);
    expect(new Set(pasted.map(actionOf))).toEqual(new Set(actions));
    expect(pasted).toContainEqual({});
  });

  it('leads to the page of triggers', () => {
    expect(readme).toContain('](docs/triggers.md)');
  });
});

// As harness/harness-schema (v0) has them, and of their fields those that are used here.
const identifier = z.string().regex(/^[a-zA-Z_]\w{0,127}$/);
const name = z.string().regex(/^[a-zA-Z_][-\w\s]{0,127}$/);
const scope = { orgIdentifier: identifier, projectIdentifier: identifier };
const keyAndValue = z.strictObject({ key: z.string(), value: z.string() });
const variable = z.strictObject({
  name: z.string().regex(/^[a-zA-Z_][\w.$-]{0,127}$/),
  type: z.literal('String'),
  value: z.string(),
});
const retry = z.strictObject({
  type: z.literal('Retry'),
  spec: z.strictObject({
    retryCount: z.int().min(1),
    retryIntervals: z.array(z.string().regex(/^\d+[smhd]$/)),
    onRetryFailure: z.strictObject({ action: z.strictObject({ type: z.literal('MarkAsFailure') }) }),
  }),
});
const httpStep = z.strictObject({
  type: z.literal('Http'),
  name,
  identifier,
  timeout: z.string().regex(/^[1-9]\d+s$/),
  spec: z.strictObject({
    url: z.string(),
    method: z.enum(['GET', 'POST']),
    headers: z.array(keyAndValue),
    requestBody: z.string().optional(),
    assertion: z.string(),
    outputVariables: z.array(variable).optional(),
  }),
  failureStrategies: z
    .array(z.strictObject({ onFailure: z.strictObject({ errors: z.tuple([z.literal('AllErrors')]), action: retry }) }))
    .optional(),
});
const runStep = z.strictObject({
  type: z.literal('Run'),
  name,
  identifier,
  timeout: z.string().regex(/^[1-9]\d*[smhd]$/),
  spec: z.strictObject({
    shell: z.enum(['Bash', 'Sh']),
    command: z.string(),
    envVariables: z.record(z.string(), z.string()),
  }),
});
const customStage = z.strictObject({
  name,
  identifier,
  type: z.literal('Custom'),
  spec: z.strictObject({ execution: z.strictObject({ steps: z.array(z.strictObject({ step: httpStep })) }) }),
});
const pipeline = z.strictObject({
  name,
  identifier,
  ...scope,
  variables: z.array(variable).optional(),
  stages: z.array(z.strictObject({ stage: customStage })),
});
const notificationRule = z.strictObject({
  name,
  identifier,
  enabled: z.boolean(),
  pipelineEvents: z.array(z.strictObject({ type: z.literal('PipelineSuccess') })),
  notificationMethod: z.strictObject({
    type: z.literal('Webhook'),
    spec: z.strictObject({ webhookUrl: z.url(), headers: z.record(z.string(), z.string()) }),
  }),
});
const condition = z.strictObject({ key: z.string(), operator: z.literal('Equals'), value: z.string() });
const trigger = z.strictObject({
  name,
  identifier,
  enabled: z.boolean(),
  ...scope,
  pipelineIdentifier: identifier,
  source: z.strictObject({
    type: z.literal('Webhook'),
    spec: z.strictObject({
      type: z.literal('Custom'),
      spec: z.strictObject({ payloadConditions: z.array(condition), headerConditions: z.array(condition) }),
    }),
  }),
  inputYaml: z.string(),
});
const runtimeInput = z.strictObject({
  pipeline: z.strictObject({ identifier, variables: z.array(variable) }),
});

describe('the Harness YAML of the page', () => {
  const [signing, waiting, notifying, failed, told, ...more] = blocks('yaml').map((block) => parse(block) as unknown);
  const parts = {
    signing: z.strictObject({ step: runStep }).parse(signing).step,
    waiting: z.strictObject({ pipeline }).parse(waiting).pipeline,
    notifying: z.strictObject({ notificationRules: z.tuple([notificationRule]) }).parse(notifying).notificationRules[0],
    failed: z.strictObject({ trigger }).parse(failed).trigger,
    told: z.strictObject({ pipeline }).parse(told).pipeline,
  };
  const stepsOf = ({ stages }: z.infer<typeof pipeline>) =>
    stages.flatMap(({ stage }) => stage.spec.execution.steps.map(({ step }) => step));

  it('checks every block of YAML on the page', () => {
    expect(more).toEqual([]);
  });

  it('starts a run, waits for it and asks how it ended, each with the token', () => {
    const [start, ...others] = stepsOf(parts.waiting);
    expect(start?.spec).toMatchObject({ url: expect.stringMatching(/\.on\.aws\/runs$/), method: 'POST' });
    expect(actionOf(JSON.parse(start?.spec.requestBody ?? ''))).toBe('sync');
    const output = `<+pipeline.stages.${parts.waiting.stages[0]?.stage.identifier}.spec.execution.steps.${start?.identifier}.output.outputVariables.url>`;
    expect(start?.spec.outputVariables).toMatchObject([{ name: 'url' }]);
    for (const { spec } of others) expect(spec).toMatchObject({ url: output, method: 'GET' });
    for (const { spec } of [start, ...others].flatMap((step) => step ?? [])) {
      const { value = '' } = spec.headers.find(({ key }) => key === 'Authorization') ?? {};
      expect(bearerToken(resolved(value))).toBe('a-token-of-good-length');
    }
  });

  it('signs each request of the step with an AWS identity, until the run has ended', () => {
    const { command, envVariables } = parts.signing.spec;
    const bin = mkdtempSync(join(tmpdir(), 'bin-'));
    const script = (file: string, text: string) => writeFileSync(join(bin, file), text, { mode: 0o755 });
    const url = 'https://abc.lambda-url.eu-west-1.on.aws/runs/r1';
    script('sleep', '#!/bin/sh\n');
    // As jq, for the filters of the step: `.`, and one key of an object.
    const filter =
      'const value = JSON.parse(text); const key = process.argv.at(-1).slice(1); console.log(key === "" ? text : value[key])';
    script(
      'jq',
      `#!/bin/sh\nexec ${process.execPath} -e 'const text = require("fs").readFileSync(0, "utf8"); ${filter}' -- "$@"\n`,
    );
    // Notes what it is called with, and answers RUNNING twice before the end.
    script(
      'curl',
      `#!/bin/bash\nprintf '%s\\n' "$*" >> ${bin}/calls\n` +
        `[ "$(wc -l < ${bin}/calls)" -gt 2 ] && status=$END || status=RUNNING\n` +
        `echo "{\\"url\\":\\"${url}\\",\\"status\\":\\"$status\\"}"\n`,
    );
    const run = (end: string) => {
      rmSync(join(bin, 'calls'), { force: true });
      const keys = { AWS_ACCESS_KEY_ID: 'AKIA', AWS_SECRET_ACCESS_KEY: 'secret', AWS_SESSION_TOKEN: 'session' };
      const env = { ...envVariables, ...keys, END: end, PATH: `${bin}:${process.env['PATH']}` };
      return spawnSync('bash', ['-c', command], { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'pipe'] });
    };
    try {
      expect(run('FAILED').status).toBe(1);
      expect(run('SUCCEEDED')).toMatchObject({ status: 0, stderr: '' });
      const calls = readFileSync(join(bin, 'calls'), 'utf8').trim().split('\n');
      expect(calls.map((call) => call.split(' ').at(-1))).toEqual([envVariables['WEBHOOK_URL'], url, url]);
      for (const call of calls) {
        expect(call).toContain('--aws-sigv4 aws:amz:eu-west-1:lambda --user AKIA:secret');
        expect(call).toContain('--header x-amz-security-token: session');
      }
      const [, body = ''] = /--data (\{.*?\}) /.exec(calls[0] ?? '') ?? [];
      expect(actionOf(JSON.parse(body))).toBe('sync');
    } finally {
      rmSync(bin, { recursive: true });
    }
  });

  it('sends notifications with the token', () => {
    const { webhookUrl, headers } = parts.notifying.notificationMethod.spec;
    expect(webhookUrl).toMatch(/\.on\.aws\/runs$/);
    expect(bearerToken(resolved(headers['Authorization'] ?? ''))).toBe('a-token-of-good-length');
  });

  it('gives the trigger the input of its pipeline', () => {
    const input = runtimeInput.parse(parse(parts.failed.inputYaml));
    expect(input.pipeline.identifier).toBe(parts.failed.pipelineIdentifier);
  });

  it('declares the variables that a callback sets', () => {
    const variables = (parts.told.variables ?? []).map(({ name: of, value }) => [of, value]);
    expect(variables).toEqual(['runId', 'status', 'error'].map((of) => [of, '<+input>']));
    const uses = [...JSON.stringify(stepsOf(parts.told)).matchAll(/<\+pipeline\.variables\.(\w+)>/g)];
    expect(uses.length).toBeGreaterThan(0);
    for (const [, used] of uses) expect(variables.map(([of]) => of)).toContain(used);
    expect(page).toContain(`{"pipeline": "${parts.told.identifier}", "token": "sat.…"}`);
    const [, ORG_ID, PROJECT_ID] = /ORG_ID=(\w+) PROJECT_ID=(\w+)/.exec(page) ?? [];
    expect([ORG_ID, PROJECT_ID]).toEqual([parts.told.orgIdentifier, parts.told.projectIdentifier]);
  });
});

/** Fills in secrets as Harness does. */
function resolved(value: string): string {
  return value.replace('<+secrets.getValue("image_factory_token")>', 'a-token-of-good-length');
}
