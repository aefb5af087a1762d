import { describe, expect, it } from '@jest/globals';
import { taskNeeds } from '../../infra/task-needs.ts';
import { actions, type Statement, synthesize, text } from './synthesize.ts';

const own = ['logs:CreateLogStream', 'logs:PutLogEvents', 's3:GetObject', 's3:ListBucket', 's3:PutObject'];
const secret = ['secretsmanager:DescribeSecret', 'secretsmanager:GetSecretValue'];
const token = ['ecr:GetAuthorizationToken'];
const pull = ['ecr:BatchCheckLayerAvailability', 'ecr:BatchGetImage', 'ecr:GetDownloadUrlForLayer', 'ecr:ListImages'];
const push = ['ecr:CompleteLayerUpload', 'ecr:InitiateLayerUpload', 'ecr:PutImage', 'ecr:UploadLayerPart'];
const create = ['ecr:CreateRepository', 'ecr:DescribeRepositories'];

/** What each task may do when the target is ECR. A task that is not here may do no more than keep its state and log. */
const allowed: Record<string, string[]> = {
  plan: [...own, ...secret, ...token, ...pull],
  copy: [...own, ...token, ...pull, ...push, ...create],
  snapshot: [...own, ...secret],
  'update-config': [...own, ...secret],
  'reset-config': [...own, ...secret],
  verify: [...own, ...secret, ...token, ...pull],
  rollback: [...own, ...secret],
  prune: [...own, ...secret, ...token, ...pull, 'ecr:BatchDeleteImage'],
};

const credentials = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:registry-a1B2c3';

type Synthesized = ReturnType<typeof synthesize>;

function statementsOf({ functions, statements }: Synthesized, task: string): Statement[] {
  const resource = functions.get(task);
  if (!resource) throw new Error(`no function for ${task}`);
  return statements(resource.Role['Fn::GetAtt'][0]);
}

const resourcesOf = (statement: Statement) => [statement.Resource].flat().map(text);

describe('permissions', () => {
  const synthesized = synthesize();
  const { functions, template, bucketId } = synthesized;
  const roles = template.findResources('AWS::IAM::Role');
  const policies = Object.values(template.findResources('AWS::IAM::Policy')) as {
    Properties: { PolicyDocument: { Statement: Statement[] } };
  }[];
  const everyStatement = policies.flatMap(({ Properties }) => Properties.PolicyDocument.Statement);

  it('gives every function a role of its own', () => {
    const used = [...functions.values()].map(({ Role }) => Role['Fn::GetAtt'][0]);
    expect(new Set(used).size).toBe(functions.size);
    // One more, of the state machine.
    expect(Object.keys(roles)).toHaveLength(functions.size + 1);
  });

  it('attaches no managed policy', () => {
    for (const role of Object.values(roles)) expect(role.Properties).not.toHaveProperty('ManagedPolicyArns');
  });

  it.each([...functions.keys()])('lets %s do what it needs and nothing else', (task) => {
    const granted = statementsOf(synthesized, task).flatMap(actions);
    expect(granted.toSorted()).toEqual((allowed[task] ?? own).toSorted());
  });

  it('lists no task that the workflow does not have', () => {
    for (const task of [...Object.keys(taskNeeds), ...Object.keys(allowed)])
      expect([...functions.keys()]).toContain(task);
  });

  it('grants no action by wildcard', () => {
    expect(everyStatement.flatMap(actions).filter((action) => action.includes('*'))).toEqual([]);
  });

  it('names every resource but for actions that know none', () => {
    const unlimited = everyStatement
      .filter((statement) => resourcesOf(statement).includes('*'))
      .flatMap(actions)
      .filter((action) => action !== 'ecr:GetAuthorizationToken');
    expect(unlimited.toSorted()).toEqual([
      // Of the state machine: CloudWatch's log delivery and X-Ray.
      'logs:CreateLogDelivery',
      'logs:DeleteLogDelivery',
      'logs:DescribeLogGroups',
      'logs:DescribeResourcePolicies',
      'logs:GetLogDelivery',
      'logs:ListLogDeliveries',
      'logs:PutResourcePolicy',
      'logs:UpdateLogDelivery',
      'xray:GetSamplingRules',
      'xray:GetSamplingTargets',
      'xray:PutTelemetryRecords',
      'xray:PutTraceSegments',
    ]);
  });

  it('confines every function to its own log group and to the state bucket', () => {
    for (const [task, { LoggingConfig }] of functions) {
      const log = (LoggingConfig.LogGroup as { Ref: string }).Ref;
      const resources = statementsOf(synthesized, task)
        .filter((statement) => actions(statement).some((action) => /^(?:logs|s3):/.test(action)))
        .flatMap(resourcesOf);
      expect(resources.toSorted()).toEqual([`<${log}.Arn>`, `<${bucketId}.Arn>`, `<${bucketId}.Arn>/*`].toSorted());
    }
  });

  it('lets the state machine invoke the functions of the workflow only', () => {
    const invoking = everyStatement.filter((statement) => actions(statement).includes('lambda:InvokeFunction'));
    const expected = [...functions.values()].flatMap(({ id }) => [`<${id}.Arn>`, `<${id}.Arn>:$LATEST`]);
    expect(invoking.flatMap(resourcesOf).toSorted()).toEqual(expected.toSorted());
  });

  const ecrResources = (registry: string) => {
    const made = synthesize({ REGISTRY_NAME: registry });
    const statements = [...made.functions.keys()].flatMap((task) => statementsOf(made, task));
    return new Set(
      statements
        .filter((statement) =>
          actions(statement).some((a) => a.startsWith('ecr:') && a !== 'ecr:GetAuthorizationToken'),
        )
        .flatMap(resourcesOf),
    );
  };

  it('confines ECR to the registry and the prefix of REGISTRY_NAME', () => {
    expect(ecrResources('999999999999.dkr.ecr.us-west-2.amazonaws.com/mirror/ci')).toEqual(
      new Set(['arn:<AWS::Partition>:ecr:us-west-2:999999999999:repository/mirror/ci/*']),
    );
    expect(ecrResources('999999999999.dkr-ecr.us-west-2.on.aws')).toEqual(
      new Set(['arn:<AWS::Partition>:ecr:us-west-2:999999999999:repository/*']),
    );
  });

  it('grants nothing in ECR when images are stored elsewhere', () => {
    expect(ecrResources('registry.example:5000/mirror')).toEqual(new Set());
    expect(JSON.stringify(synthesize({ REGISTRY_NAME: 'registry.example' }).template)).not.toContain('ecr:');
  });

  it('shows registry credentials to the tasks that speak to registries only', () => {
    const made = synthesize({ REGISTRY_CREDENTIALS_SECRET: credentials, REGISTRY_NAME: 'registry.example' });
    const readers = [...made.functions.keys()].filter((task) =>
      statementsOf(made, task).some((statement) => resourcesOf(statement).includes(credentials)),
    );
    expect(readers.toSorted()).toEqual(['copy', 'plan', 'prune', 'verify']);
  });

  it.each([
    ['a name', 'team/key', 'arn:<AWS::Partition>:secretsmanager:<AWS::Region>:<AWS::AccountId>:secret:team/key-??????'],
    ['an ARN', credentials, credentials],
    ['an ARN without its suffix', credentials.slice(0, -7), `${credentials.slice(0, -7)}-??????`],
  ])('allows the API key by %s', (_, configured, resource) => {
    const made = synthesize({ HARNESS_API_KEY_SECRET: configured });
    const reading = statementsOf(made, 'snapshot').filter((s) => actions(s).includes('secretsmanager:GetSecretValue'));
    expect(reading.flatMap(resourcesOf)).toEqual([resource]);
  });
});
