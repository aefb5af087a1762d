import { existsSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { Match } from 'aws-cdk-lib/assertions';
import validateDefinition from 'asl-validator';
import { configurationVariables } from '../../functions/settings/configuration.ts';
import { placeholderOf, readWorkflowDefinition, tasksOf } from '../../infra/workflow-definition.ts';
import { synthesize, text } from './synthesize.ts';

const root = new URL('../../', import.meta.url);
const registry = '<AWS::AccountId>.dkr.ecr.<AWS::Region>.<AWS::URLSuffix>/harness-ci';

describe('the workflow definition', () => {
  it('validates as Amazon States Language', () => {
    expect(validateDefinition(JSON.parse(readWorkflowDefinition()) as object)).toMatchObject({
      isValid: true,
      errors: [],
    });
  });

  it('calls functions that have a handler', () => {
    for (const task of tasksOf(readWorkflowDefinition()))
      expect([task, existsSync(new URL(`functions/${task}/handler.ts`, root))]).toEqual([task, true]);
  });

  it('names tasks after their folders', () => {
    expect(tasksOf('"${PlanFunction}" "${UpdateConfigFunction}" "${PlanFunction}"')).toEqual(['plan', 'update-config']);
    expect(['plan', 'update-config'].map(placeholderOf)).toEqual(['PlanFunction', 'UpdateConfigFunction']);
  });
});

describe('the stack', () => {
  const { template, functions, logicalId, factory } = synthesize();
  const machine = Object.values(template.findResources('AWS::StepFunctions::StateMachine'))[0]?.Properties as {
    DefinitionString: string;
    DefinitionSubstitutions: Record<string, unknown>;
  };

  it('deploys the one workflow definition, unchanged', () => {
    expect(machine.DefinitionString).toBe(readWorkflowDefinition());
  });

  it('puts a version of the function of each task in the place of its placeholder', () => {
    const placeholders = new Set([...machine.DefinitionString.matchAll(/\$\{(\w+)\}/g)].map(([, name]) => name));
    expect(new Set(Object.keys(machine.DefinitionSubstitutions))).toEqual(placeholders);
    const versions = template.findResources('AWS::Lambda::Version');
    for (const [task, { id }] of functions) {
      const { Ref: version = '' } = machine.DefinitionSubstitutions[placeholderOf(task)] as { Ref?: string };
      expect([task, versions[version]]).toMatchObject([task, { Properties: { FunctionName: { Ref: id } } }]);
    }
  });

  it('names no function without its version in the definition', () => {
    expect(machine.DefinitionString).not.toMatch(/\$LATEST|:function:/);
    const substituted = Object.values(machine.DefinitionSubstitutions).map(text);
    for (const { id } of functions.values()) expect(substituted).not.toContain(`<${id}.Arn>`);
  });

  it('keeps the versions of earlier deployments, and removes those of a deployment that failed', () => {
    const versions = Object.values(template.findResources('AWS::Lambda::Version'));
    expect(versions).toHaveLength(functions.size);
    for (const version of versions)
      expect(version).toMatchObject({ DeletionPolicy: 'RetainExceptOnCreate', UpdateReplacePolicy: 'Retain' });
  });

  it('runs a traced standard workflow whose log holds errors but no data', () => {
    template.hasResourceProperties('AWS::StepFunctions::StateMachine', {
      StateMachineType: 'STANDARD',
      TracingConfiguration: { Enabled: true },
      LoggingConfiguration: { Level: 'ERROR', IncludeExecutionData: false },
    });
  });

  it('runs every function on Node 24 and arm64, with time to copy a large image, and to look below many', () => {
    for (const [task, { Runtime, Architectures, Timeout, MemorySize }] of functions)
      expect({ task, Runtime, Architectures, Timeout, MemorySize }).toEqual({
        task,
        Runtime: 'nodejs24.x',
        Architectures: ['arm64'],
        Timeout: ['plan', 'copy', 'export', 'rollback', 'scan', 'verify'].includes(task) ? 900 : 300,
        MemorySize: ['plan', 'copy', 'export', 'scan', 'snapshot', 'verify'].includes(task) ? 1024 : 512,
      });
  });

  it('gives every log an end', () => {
    const logs = Object.values(template.findResources('AWS::Logs::LogGroup'));
    expect(logs).toHaveLength(functions.size + 1);
    for (const log of logs) expect(log.Properties).toMatchObject({ RetentionInDays: 90 });
  });

  it('keeps state in a private, encrypted, versioned bucket that outlives the stack', () => {
    template.hasResource('AWS::S3::Bucket', {
      DeletionPolicy: 'Retain',
      Properties: {
        BucketEncryption: { ServerSideEncryptionConfiguration: [Match.objectLike({})] },
        PublicAccessBlockConfiguration: {
          BlockPublicAcls: true,
          BlockPublicPolicy: true,
          IgnorePublicAcls: true,
          RestrictPublicBuckets: true,
        },
        VersioningConfiguration: { Status: 'Enabled' },
        LifecycleConfiguration: {
          Rules: [
            { ExpirationInDays: 90, Prefix: 'runs/', Status: 'Enabled' },
            { ExpirationInDays: 1, Prefix: 'checkpoints/', Status: 'Enabled' },
            {
              NoncurrentVersionExpiration: { NoncurrentDays: 30 },
              ExpiredObjectDeleteMarker: true,
              AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
              Status: 'Enabled',
            },
          ],
        },
      },
    });
    template.hasResourceProperties('AWS::S3::BucketPolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
        ]),
      },
    });
  });

  it('needs no settings: it stores images in the ECR of its own account and region', () => {
    for (const { Environment } of functions.values()) {
      expect(text(Environment.Variables['REGISTRY_NAME'])).toBe(registry);
      expect(Environment.Variables).toMatchObject({
        STATE_BUCKET: { Ref: logicalId(factory.bucket) },
        HARNESS_API_KEY_SECRET: 'harness-ci-image-factory/api-key',
      });
    }
  });

  it('hands its settings on to every function', () => {
    const elsewhere = {
      HARNESS_URL: 'https://harness.example/gateway',
      HARNESS_ACCOUNT_ID: 'account-1',
      ORG_ID: 'org1',
      PROJECT_ID: 'project1',
      HARNESS_API_KEY_SECRET: 'team/key',
      REGISTRY_NAME: 'registry.example:5000/mirror',
      REGISTRY_CREDENTIALS_SECRET: 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:registry-a1B2c3',
      CONTAINER_REGISTRY_CONNECTOR: 'account.mirror',
      SOURCE_REGISTRY: 'gar,proxy.example/hub',
      INSECURE_REGISTRIES: 'registry.example:5000',
      TRUSTED_TOKEN_HOSTS: 'tokens.example',
      MODIFY_DEFAULT: 'false',
      MAX_CONCURRENCY: '7',
      TRUSTED_PRIVATE_HOSTS: '10.0.0.0/8',
      CALLBACK_URL_SECRET: 'team/callback',
      BUILD_PUSH_TEMPLATE: 'arn:aws:states:eu-west-1:123456789012:stateMachine:builder',
    };
    const inEcr = {
      REGISTRY_NAME: '123456789012.dkr.ecr.eu-west-1.amazonaws.com/mirror',
      FORMER_REGISTRY: 'old.example/mirror',
      ALLOW_PRUNE: 'true',
      AUTO_SWITCH: 'always',
      GATHER_SCAN_TEMPLATE: 'arn:aws:lambda:eu-west-1:123456789012:function:scanner:live',
      ECR_ROLE_ARN: 'arn:aws:iam::123456789012:role/images',
      ECR_TAG_MUTABILITY: 'IMMUTABLE_WITH_EXCLUSION',
      ECR_TAG_MUTABILITY_EXCLUDE: 'latest,rootless-*',
      ECR_KMS_KEY: 'alias/images',
      ECR_KEEP_VERSIONS: '40',
      ECR_TAGS: 'team=platform,cost center=a=1',
      ECR_TOKEN_SECRET: 'account.ecr',
    };
    const inReadyEcr = { REGISTRY_NAME: inEcr.REGISTRY_NAME, ECR_CREATE_REPOSITORIES: 'off' };
    for (const settings of [elsewhere, inEcr, inReadyEcr])
      for (const { Environment } of synthesize(settings).functions.values())
        expect(Environment.Variables).toMatchObject(settings);

    // Of local runs; of the webhook; and a folder (app.test.ts).
    const others = /^(HARNESS_API_KEY|WEBHOOK_TOKEN_SECRET|WEBHOOK_ALLOW|REGISTRY_CERTS)$/;
    expect(configurationVariables.filter((name) => !others.test(name)).toSorted()).toEqual(
      Object.keys({ ...elsewhere, ...inEcr, ...inReadyEcr }).toSorted(),
    );
  });
});
