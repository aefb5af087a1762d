import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { S3ObjectStore } from '../../functions/aws/s3-object-store.ts';
import type { Report } from '../../functions/run/documents.ts';
import { RunDocuments } from '../../functions/run/run-documents.ts';
import { startHarnessApi } from '../../infra/local/embedded/harness-api/server.ts';
import { startRegistry } from '../../infra/local/embedded/registry/server.ts';
import { pushSamples } from '../../infra/local/embedded/sample-images.ts';
import { placeholderOf, readWorkflowDefinition, tasksOf } from '../../infra/workflow-definition.ts';
import type { WorkflowOutcome } from '../../infra/local/engine.ts';
import { available } from '../real-parts.ts';
import { type MotoServer, region, startMotoServer } from './moto-server.ts';

const root = join(import.meta.dirname, '../..');
const run = promisify(execFile);

interface LambdaResource {
  Type: string;
  Properties: { Code: { S3Key: string }; Environment: { Variables: Record<string, unknown> } };
}

(available('moto_server') ? describe : describe.skip)('the functions as they are deployed', () => {
  const outdir = mkdtempSync(join(tmpdir(), 'cdk-out-'));
  /** Bundle by placeholder. */
  const bundles: Record<string, string> = {};
  let moto: MotoServer;
  let harness: Awaited<ReturnType<typeof startHarnessApi>>;
  let registries: Awaited<ReturnType<typeof startRegistry>>[];
  let s3: S3Client;

  beforeAll(async () => {
    const { context } = JSON.parse(readFileSync(join(root, 'cdk.json'), 'utf8')) as { context: object };
    moto = await startMotoServer();
    await run(process.execPath, ['infra/app.ts'], {
      cwd: root,
      env: { PATH: process.env.PATH, HOME: outdir, CDK_OUTDIR: outdir, CDK_CONTEXT_JSON: JSON.stringify(context) },
    });
    const template = JSON.parse(readFileSync(join(outdir, 'HarnessCiImageFactory.template.json'), 'utf8')) as {
      Resources: Record<string, LambdaResource>;
    };
    for (const task of tasksOf(readWorkflowDefinition())) {
      const name = placeholderOf(task);
      const [, resource] =
        Object.entries(template.Resources).find(
          ([id, { Type }]) => Type === 'AWS::Lambda::Function' && id.startsWith(`Factory${name}`),
        ) ?? [];
      const folder = join(outdir, `asset.${resource?.Properties.Code.S3Key.replace('.zip', '')}`);
      bundles[name] = join(folder, readdirSync(folder).find((file) => file.startsWith('index.')) ?? '');
    }
    harness = await startHarnessApi({
      defaults: { ci: { K8: { addonTag: 'harness/ci-addon:1', liteEngineTag: 'harness/ci-lite-engine:1' } } },
    });
    registries = await Promise.all([startRegistry(), startRegistry()]);
    const [source] = registries;
    if (source) pushSamples(source, ['harness/ci-addon:1', 'harness/ci-lite-engine:1'], { layerBytes: 2_000 });
    s3 = new S3Client({ ...moto.config, forcePathStyle: true });
    await s3.send(
      new CreateBucketCommand({ Bucket: 'state', CreateBucketConfiguration: { LocationConstraint: region } }),
    );
    const secrets = new SecretsManagerClient(moto.config);
    await secrets.send(
      new CreateSecretCommand({ Name: 'api-key', SecretString: JSON.stringify({ apiKey: harness.apiKey }) }),
    );
    secrets.destroy();
  }, 120_000);

  afterAll(async () => {
    s3?.destroy();
    await Promise.all([moto?.close(), harness?.close(), ...(registries ?? []).map((registry) => registry.close())]);
    rmSync(outdir, { recursive: true, force: true });
  });

  it('run a whole sync with their state in S3 and the key from Secrets Manager', async () => {
    const [source, target] = registries;
    const environment = {
      PATH: process.env.PATH,
      AWS_ENDPOINT_URL: moto.config.endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      STATE_BUCKET: 'state',
      HARNESS_URL: harness.url,
      HARNESS_API_KEY_SECRET: 'api-key',
      REGISTRY_NAME: `${target?.host}/mirror`,
      SOURCE_REGISTRY: source?.host,
    };
    const script = join(import.meta.dirname, 'run-bundled-workflow.ts');
    const { stdout } = await run(process.execPath, [script, JSON.stringify(bundles), '{}'], { env: environment });
    const outcome = JSON.parse(stdout) as WorkflowOutcome;
    expect(outcome).toMatchObject({
      status: 'SUCCEEDED',
      output: { action: 'sync', totals: { copied: 2, failed: 0 } },
    });
    expect(harness.state[harness.accountId]?.ci.K8).toEqual({
      addonTag: `${target?.host}/mirror/harness/ci-addon:1`,
      liteEngineTag: `${target?.host}/mirror/harness/ci-lite-engine:1`,
    });
    const report: Report = await new RunDocuments(new S3ObjectStore('state', s3), 'run-1').report.get();
    expect(report).toEqual(outcome.output);
  }, 60_000);
});
