import { describe, expect, it } from '@jest/globals';
import type { Environment } from '../../functions/settings/configuration.ts';
import { actions, resourcesOf, type Statement, synthesize, text } from './synthesize.ts';

const registry = '999999999999.dkr.ecr.us-west-2.amazonaws.com/mirror';
const role = 'arn:aws:iam::999999999999:role/images';
const push = ['CompleteLayerUpload', 'InitiateLayerUpload', 'PutImage', 'UploadLayerPart'];
const ownRegistry = 'arn:<AWS::Partition>:ecr:<AWS::Region>:<AWS::AccountId>:repository';
const otherRegistry = 'arn:<AWS::Partition>:ecr:us-west-2:999999999999:repository';
/** Other places in the registry of another account, in this one, and in a third. */
const everySource = [
  '999999999999.dkr.ecr.us-west-2.amazonaws.com',
  '123456789012.dkr.ecr.eu-west-1.amazonaws.com',
  '210987654321.dkr.ecr.us-west-2.amazonaws.com/cache',
].join(',');
const isReading = (action: string) =>
  !action.startsWith('*') && !/^ecr:(?!Get|List|Describe|Batch(?:Get|Check|Import)|StartImageScan)/.test(action);

/** Returns what each role may change in ECR, by itself or in a session, as `action resource`. Names it by its task. */
function changesInEcr({ template: made, functions: tasks, statements }: ReturnType<typeof synthesize>) {
  const roles = Object.entries(made.findResources('AWS::IAM::Role')) as [
    string,
    { Properties: { Policies?: { PolicyDocument: { Statement: Statement[] } }[] } },
  ][];
  const lambdas = Object.entries(made.findResources('AWS::Lambda::Function')) as [
    string,
    { Properties: { Role: { 'Fn::GetAtt': [string, 'Arn'] }; Environment?: { Variables: Record<string, unknown> } } },
  ][];
  return Object.fromEntries(
    roles.flatMap(([role, { Properties }]) => {
      const own = lambdas.filter(([, lambda]) => lambda.Properties.Role['Fn::GetAtt'][0] === role);
      const [task = role] = [...tasks].flatMap(([name, { Role }]) => (Role['Fn::GetAtt'][0] === role ? name : []));
      const all = [
        ...statements(role),
        ...(Properties.Policies ?? []).flatMap(({ PolicyDocument }) => PolicyDocument.Statement),
        ...own.flatMap(([, lambda]) => sessionOf(lambda.Properties.Environment?.Variables ?? {})),
      ];
      const changes = all
        .filter(({ Effect }) => Effect === 'Allow')
        .flatMap((statement) =>
          actions(statement)
            .filter((action) => !isReading(action))
            .flatMap((action) => resourcesOf(statement).map((resource) => `${action} ${resource}`)),
        );
      return changes.length === 0 ? [] : [[task, [...new Set(changes)].toSorted()]];
    }),
  );
}

/** Returns the statements that narrow the sessions of the role that a function assumes. */
function sessionOf({ ECR_SESSION_POLICY: policy }: Record<string, unknown>): Statement[] {
  return policy === undefined ? [] : (JSON.parse(text(policy)) as { Statement: Statement[] }).Statement;
}

describe('the rights to change repositories in ECR', () => {
  it.each<[string, Environment, string | undefined]>([
    ['the defaults', {}, `${ownRegistry}/harness-ci`],
    ['a former registry', { FORMER_REGISTRY: registry }, `${ownRegistry}/harness-ci`],
    [
      'a former registry above the prefix',
      { FORMER_REGISTRY: registry, REGISTRY_NAME: `${registry}/new` },
      `${otherRegistry}/mirror/new`,
    ],
    ['a registry of another account', { REGISTRY_NAME: registry }, `${otherRegistry}/mirror`],
    [
      'a registry of this account',
      { REGISTRY_NAME: '123456789012.dkr.ecr.eu-west-1.amazonaws.com/mirror' },
      'arn:<AWS::Partition>:ecr:eu-west-1:123456789012:repository/mirror',
    ],
    [
      'a role of the account of the registry',
      { REGISTRY_NAME: registry, ECR_ROLE_ARN: role },
      `${otherRegistry}/mirror`,
    ],
    [
      'a role of another account than that of the registry',
      { REGISTRY_NAME: registry, ECR_ROLE_ARN: 'arn:aws:iam::210987654321:role/images' },
      `${otherRegistry}/mirror`,
    ],
    ['a role of an unknown account', { ECR_ROLE_ARN: role }, `${ownRegistry}/harness-ci`],
    ['a registry elsewhere', { REGISTRY_NAME: 'registry.example' }, undefined],
    [
      'a registry elsewhere, and a role for the sources',
      { REGISTRY_NAME: 'registry.example', ECR_ROLE_ARN: role },
      undefined,
    ],
  ])('grants copy and prune their changes below the prefix only: %s', (_, environment, prefix) => {
    const made = synthesize({
      SOURCE_REGISTRY: everySource,
      ECR_TOKEN_SECRET: prefix && 'account.ecr',
      ALLOW_PRUNE: 'true',
      WEBHOOK: 'on',
      ...environment,
    });
    const below = (...names: string[]) => names.map((name) => `ecr:${name} ${prefix}/*`).toSorted();
    const expected = {
      copy: below(...push, 'CreateRepository', 'PutLifecyclePolicy', 'TagResource'),
      prune: below('BatchDeleteImage'),
    };
    expect(changesInEcr(made)).toEqual(prefix === undefined ? {} : expected);
    // No repository or registry lets anyone else in.
    expect(Object.keys(made.template.findResources('AWS::ECR::RegistryPolicy'))).toEqual([]);
    expect(Object.keys(made.template.findResources('AWS::IAM::ManagedPolicy'))).toEqual([]);
  });
});
