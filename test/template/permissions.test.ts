import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Bucket, type IBucket } from 'aws-cdk-lib/aws-s3';
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { taskNeeds } from '../../infra/task-needs.ts';
import { actions, embed, resourcesOf, type Statement, synthesize, text } from './synthesize.ts';

/** A statement of a policy that belongs to a role or a topic. */
interface Trust {
  Principal: { Service?: string };
  Condition?: object;
}

const credentials = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:registry-a1B2c3';
const callback = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:callback-a1B2c3';
const apiKey =
  'arn:<AWS::Partition>:secretsmanager:<AWS::Region>:<AWS::AccountId>:secret:harness-ci-image-factory/api-key-??????';
const repositories = 'arn:<AWS::Partition>:ecr:eu-west-1:123456789012:repository/mirror/*';

const read = (secret: string) => ['DescribeSecret', 'GetSecretValue'].map((name) => `secretsmanager:${name} ${secret}`);
const ecr = (...names: string[]) => [
  'ecr:GetAuthorizationToken *',
  ...names.map((name) => `ecr:${name} ${repositories}`),
];
const reads = (...keys: string[]) => keys.map((key) => `s3:GetObject <bucket>/${key}`);
const writes = (...keys: string[]) => [...reads(...keys), ...keys.map((key) => `s3:PutObject <bucket>/${key}`)];
/** Actions for pulls from ECR Public, one of the sources. */
const publicToken = ['ecr-public:GetAuthorizationToken *', 'sts:GetServiceBearerToken *'];
const pull = ['BatchCheckLayerAvailability', 'BatchGetImage', 'GetDownloadUrlForLayer'];
const create = ['CreateRepository', 'DescribeRepositories', 'PutLifecyclePolicy', 'TagResource'];
const push = ['CompleteLayerUpload', 'InitiateLayerUpload', 'PutImage', 'UploadLayerPart'];

/** The permissions of every task. */
const own = [
  'logs:CreateLogStream <log>',
  'logs:PutLogEvents <log>',
  's3:ListBucket <bucket>',
  ...writes('runs/*'),
  'xray:PutTelemetryRecords *',
  'xray:PutTraceSegments *',
];

/** Further permissions of each task when the target is ECR. */
const beside: Record<string, string[]> = {
  plan: [
    ...read(apiKey),
    ...read(credentials),
    ...ecr(...pull),
    ...publicToken,
    'ecr:GetAccountSetting *',
    ...writes('first-seen.json', 'locks/*', 'looks/*', 'manifests/*'),
    ...reads('built/*', 'inventory.json', 'received.json', 'refused-fields.json', 'written-values.json'),
    'states:DescribeExecution <executions>',
  ],
  copy: [
    ...read(credentials),
    ...ecr(...pull, ...push, ...create),
    ...publicToken,
    ...writes('built/*', 'checkpoints/*', 'locks/*', 'manifests/*'),
  ],
  export: [...read(credentials), ...publicToken, ...ecr(...pull), ...writes('locks/*', 'manifests/*')],
  gate: [],
  scan: [
    ...ecr('BatchGetImage', 'DescribeImageScanFindings', 'StartImageScan'),
    'ecr:GetRegistryScanningConfiguration *',
    'inspector2:ListCoverage *',
    'inspector2:ListFindings *',
    ...writes('locks/*', 'manifests/*'),
  ],
  snapshot: [...read(apiKey), ...read(credentials), ...ecr(...pull), ...writes('looks/*', 'manifests/*')],
  'update-config': [...read(apiKey), ...writes('locks/*', 'refused-fields.json', 'written-values.json')],
  'reset-config': [...read(apiKey), ...writes('locks/*', 'refused-fields.json')],
  verify: [
    ...read(apiKey),
    ...read(credentials),
    ...ecr(...pull),
    ...writes('locks/*', 'looks/*', 'manifests/*', 'received.json'),
  ],
  rollback: [...read(apiKey), ...writes('locks/*', 'refused-fields.json')],
  prune: [
    ...read(apiKey),
    ...read(credentials),
    ...ecr('BatchDeleteImage', 'BatchGetImage', 'ListImages'),
    ...writes('inventory.json', 'locks/*', 'manifests/*'),
    ...reads('first-seen.json'),
  ],
  report: [
    ...read(callback),
    ...writes('history.json', 'inventory.json', 'last-sync.json', 'locks/*', 'looks/*'),
    's3:PutObject <bucket>/history.html',
    'sns:Publish <topic>',
    'events:PutEvents arn:<AWS::Partition>:events:<AWS::Region>:<AWS::AccountId>:event-bus/default if {"StringEquals":{"events:source":"harness-ci-image-factory","events:detail-type":"Run Ended"}}',
    'kms:Decrypt <topic key>',
    'kms:GenerateDataKey <topic key>',
  ],
};

/** Logical ids in the words of the tables above. */
function named(made: ReturnType<typeof synthesize>, task: string): string[] {
  const { Ref: log } = made.functions.get(task)?.LoggingConfig.LogGroup ?? {};
  const [topicKey = ''] = Object.keys(made.template.findResources('AWS::KMS::Key'));
  return made.permissions(task).map((permission) =>
    permission
      .replace(`<${log}.Arn>`, '<log>')
      .replace(`<${made.logicalId(made.factory.bucket)}.Arn>`, '<bucket>')
      .replace(`<${made.logicalId(made.factory.topic)}>`, '<topic>')
      .replace(`<${topicKey}.Arn>`, '<topic key>')
      .replace(/arn:<AWS::Partition>:states:.*:execution:[^ ]+:\*$/, '<executions>'),
  );
}

describe('permissions', () => {
  const synthesized = synthesize({
    REGISTRY_NAME: '123456789012.dkr.ecr.eu-west-1.amazonaws.com/mirror',
    REGISTRY_CREDENTIALS_SECRET: credentials,
    CALLBACK_URL_SECRET: callback,
    ALLOW_PRUNE: 'true',
  });
  const { functions, template } = synthesized;
  const roles = template.findResources('AWS::IAM::Role');
  const everyStatement = Object.values(template.findResources('AWS::IAM::Policy')).flatMap(
    ({ Properties }) => (Properties as { PolicyDocument: { Statement: Statement[] } }).PolicyDocument.Statement,
  );

  it('gives every function a role of its own', () => {
    const used = [...functions.values()].map(({ Role }) => Role['Fn::GetAtt'][0]);
    expect(new Set(used).size).toBe(functions.size);
    // Three more, of the state machine, of the schedule and of what puts stopped runs back.
    expect(Object.keys(roles)).toHaveLength(functions.size + 3);
  });

  it('lets services of AWS act for their own resources only', () => {
    const { template } = synthesize({ ECR_TOKEN_SECRET: 'account.ecr' });
    const statements = (type: string, document: string) =>
      Object.values(template.findResources(type)).flatMap(
        ({ Properties }) => (Properties as Record<string, { Statement: Trust[] }>)[document]?.Statement ?? [],
      );
    const sources = [
      ...statements('AWS::IAM::Role', 'AssumeRolePolicyDocument'),
      ...statements('AWS::SNS::TopicPolicy', 'PolicyDocument'),
    ]
      // Lambda has no such condition: it assumes a role for the function that has it.
      .filter(({ Principal: { Service } }) => Service !== undefined && Service !== 'lambda.amazonaws.com')
      .map(({ Principal, Condition }) => {
        const keys = Object.assign({}, ...Object.values(Condition ?? {})) as Record<string, unknown>;
        return [Principal.Service, text(keys['aws:SourceArn']), text(keys['aws:SourceAccount'])].join(' ');
      });
    const own = (service: string, resource: string) =>
      `${service}:<AWS::Region>:<AWS::AccountId>:${resource} <AWS::AccountId>`;
    expect([...new Set(sources)].map((source) => source.replace('arn:<AWS::Partition>:', '')).toSorted()).toEqual([
      `cloudwatch.amazonaws.com ${own('cloudwatch', 'alarm:*')}`,
      expect.stringMatching(new RegExp(`^events.amazonaws.com ${own('events', 'rule/HarnessCiImageFactory\\w+')}$`)),
      `scheduler.amazonaws.com ${own('scheduler', 'schedule-group/default')}`,
      expect.stringMatching(new RegExp(`^states.amazonaws.com ${own('states', 'stateMachine:\\S+')}$`)),
    ]);
  });

  it('attaches no managed policy', () => {
    for (const role of Object.values(roles)) expect(role.Properties).not.toHaveProperty('ManagedPolicyArns');
  });

  it.each([...functions.keys()])('lets %s do what it needs and nothing else', (task) => {
    expect(named(synthesized, task)).toEqual([...own, ...(beside[task] ?? [])].toSorted());
  });

  it('lists no task that the workflow does not have', () => {
    for (const task of [...Object.keys(taskNeeds), ...Object.keys(beside)])
      expect([...functions.keys()]).toContain(task);
  });

  it('grants bundles in their bucket to the tasks that need them, and to no other', () => {
    const key = 'arn:aws:kms:eu-west-1:123456789012:key/1234abcd';
    const bucket = 'arn:<AWS::Partition>:s3:::bundles';
    const reading = [`kms:Decrypt ${key}`, `s3:GetObject ${bucket}/*`, `s3:ListBucket ${bucket}`];
    const made = synthesize({ BUNDLE_BUCKET: 'bundles', BUNDLE_BUCKET_KEY_ARN: key });
    const ofBundles = [...made.functions.keys()]
      .map((task) => [task, made.permissions(task).filter((found) => found.includes(bucket) || found.includes(key))])
      .filter(([, found]) => found?.length);
    expect(Object.fromEntries(ofBundles)).toEqual({
      plan: reading.toSorted(),
      copy: reading.toSorted(),
      verify: reading.toSorted(),
      export: [
        ...reading,
        `kms:GenerateDataKey ${key}`,
        `s3:ListBucketMultipartUploads ${bucket}`,
        ...['AbortMultipartUpload', 'ListMultipartUploadParts', 'PutObject'].map(
          (action) => `s3:${action} ${bucket}/*`,
        ),
        `s3:DeleteObject ${bucket}/*.part.json`,
      ].toSorted(),
    });
    expect(made.functions.get('plan')?.Environment.Variables).toMatchObject({ BUNDLE_BUCKET: 'bundles' });
    expect(functions.get('plan')?.Environment.Variables).not.toHaveProperty('BUNDLE_BUCKET');
  });

  it('lets export alone sign with the key of bundles, and gives each key to the functions that need it', () => {
    const key = 'arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/mrk-1234abcd';
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const made = synthesize({ BUNDLE_BUCKET: 'bundles', BUNDLE_SIGNING_KEY: key, BUNDLE_VERIFY_KEY: pem });
    const condition = { StringEquals: { 'kms:SigningAlgorithm': 'ECDSA_SHA_256', 'kms:MessageType': 'DIGEST' } };
    const ofKey = [...made.functions.keys()]
      .map((task) => [task, made.permissions(task).filter((found) => found.includes('kms:'))])
      .filter(([task, found]) => task !== 'report' && found?.length);
    expect(Object.fromEntries(ofKey)).toEqual({
      export: [`kms:GetPublicKey ${key}`, `kms:Sign ${key} if ${JSON.stringify(condition)}`],
    });
    const having = (variable: string) =>
      [...made.functions].filter(([, { Environment }]) => variable in Environment.Variables).map(([task]) => task);
    expect(having('BUNDLE_SIGNING_KEY')).toEqual(['export']);
    expect(having('BUNDLE_VERIFY_KEY').toSorted()).toEqual(['copy', 'plan', 'verify']);
    const unsigned = synthesize({ BUNDLE_BUCKET: 'bundles' });
    expect(unsigned.permissions('export').filter((found) => found.startsWith('kms:'))).toEqual([]);
  });

  it('grants no action by wildcard', () => {
    expect(everyStatement.flatMap(actions).filter((action) => action.includes('*'))).toEqual([]);
  });

  it('names every resource but for actions that know none', () => {
    const unlimited = everyStatement.filter((statement) => resourcesOf(statement).includes('*')).flatMap(actions);
    expect([...new Set(unlimited)].toSorted()).toEqual([
      'ecr-public:GetAuthorizationToken',
      'ecr:GetAccountSetting',
      'ecr:GetAuthorizationToken',
      'ecr:GetRegistryScanningConfiguration',
      'inspector2:ListCoverage',
      'inspector2:ListFindings',
      // Of the state machine: CloudWatch's log delivery.
      'logs:CreateLogDelivery',
      'logs:DeleteLogDelivery',
      'logs:DescribeLogGroups',
      'logs:DescribeResourcePolicies',
      'logs:GetLogDelivery',
      'logs:ListLogDeliveries',
      'logs:PutResourcePolicy',
      'logs:UpdateLogDelivery',
      'sts:GetServiceBearerToken',
      'xray:GetSamplingRules',
      'xray:GetSamplingTargets',
      'xray:PutTelemetryRecords',
      'xray:PutTraceSegments',
    ]);
  });

  it('lets the state machine invoke every version of the functions of the workflow, and nothing else', () => {
    const invoking = everyStatement.filter((statement) => actions(statement).includes('lambda:InvokeFunction'));
    const expected = [...functions.values()].flatMap(({ id }) => [`<${id}.Arn>`, `<${id}.Arn>:*`]);
    expect(invoking.flatMap(resourcesOf).toSorted()).toEqual(expected.toSorted());
  });

  it.each([
    [
      'of a region and a prefix',
      '999999999999.dkr.ecr.us-west-2.amazonaws.com/mirror/ci',
      'arn:<AWS::Partition>:ecr:us-west-2:999999999999:repository/mirror/ci/*',
    ],
    [
      'without a prefix',
      '999999999999.dkr-ecr.us-west-2.on.aws',
      'arn:<AWS::Partition>:ecr:us-west-2:999999999999:repository/*',
    ],
  ])('confines ECR to the registry %s', (_, REGISTRY_NAME, resource) => {
    const made = synthesize({ REGISTRY_NAME });
    const granted = [...made.functions.keys()].flatMap((task) => made.permissions(task));
    const found = granted.filter((permission) => permission.startsWith('ecr:')).map((ecr) => ecr.split(' ')[1]);
    // `*`: those that know no resource.
    expect(new Set(found)).toEqual(new Set(['*', resource]));
  });

  it('lets no task create repositories, or use their key, when they are created elsewhere', () => {
    const settings = { REGISTRY_NAME: registry, ECR_CREATE_REPOSITORIES: 'off' };
    expect(granted(synthesize(settings), 'ecr', 'kms')['copy']).toEqual(
      granted(synthesize({ REGISTRY_NAME: registry }), 'ecr', 'kms')['copy']?.filter(
        (permission) => !create.some((name) => permission.startsWith(`ecr:${name} `)),
      ),
    );
    const session = inSession(synthesize({ ...settings, ECR_ROLE_ARN: role }))['copy'];
    expect(session?.filter((action) => create.includes(action.replace('ecr:', '')))).toEqual([]);
    expect(session).toContain('ecr:PutImage');
  });

  it.each(['gar,dockerhub', 'registry.example'])('gets no token of ECR Public to pull from %s', (SOURCE_REGISTRY) => {
    expect(granted(synthesize({ SOURCE_REGISTRY }), 'ecr-public', 'sts')).toEqual({});
  });

  it('grants nothing in ECR when images are stored elsewhere', () => {
    const made = synthesize({ REGISTRY_NAME: 'registry.example' });
    expect([...made.functions.keys()].flatMap((task) => made.permissions(task)).join('\n')).not.toMatch(/^ecr:/m);
  });

  /** Returns the actions of each task that start with one of `services`. */
  const granted = (made: ReturnType<typeof synthesize>, ...services: string[]) =>
    Object.fromEntries(
      [...made.functions.keys()]
        .map((task) => [task, made.permissions(task).filter((found) => services.includes(found.split(':')[0] ?? ''))])
        .filter(([, found]) => found?.length),
    ) as Record<string, string[]>;

  const registry = '999999999999.dkr.ecr.us-west-2.amazonaws.com/mirror';
  const ecrTasks = ['plan', 'copy', 'export', 'scan', 'snapshot', 'verify', 'prune'].toSorted();

  const role = 'arn:aws:iam::999999999999:role/images';
  const assume = (arn: string, ...tasks: string[]) =>
    Object.fromEntries(tasks.map((task) => [task, [`sts:AssumeRole ${arn}`]]));
  /** Returns the policies to which tasks narrow the sessions of the role that they assume. */
  const inSession = ({ functions: made }: ReturnType<typeof synthesize>) =>
    Object.fromEntries(
      [...made].flatMap(([task, { Environment }]) => {
        const statements = sessionOf(Environment.Variables);
        return statements.length === 0 ? [] : [[task, statements.flatMap(actions).toSorted()]];
      }),
    );
  const sessionOf = ({ ECR_SESSION_POLICY: policy }: Record<string, unknown>): Statement[] =>
    policy === undefined ? [] : (JSON.parse(text(policy)) as { Statement: Statement[] }).Statement;

  it('lets those who use ECR assume the role that is given, and do nothing there themselves', () => {
    const settings = { REGISTRY_NAME: registry, SOURCE_REGISTRY: 'gar', ECR_KMS_KEY: 'alias/images' };
    const made = synthesize({ ...settings, ECR_ROLE_ARN: role });
    expect(granted(made, 'sts', 'ecr', 'kms', 'inspector2')).toEqual({
      ...assume(role, ...ecrTasks),
      report: expect.any(Array),
    });
  });

  it('narrows each session of that role to what the task may do where it needs no role', () => {
    const settings = { REGISTRY_NAME: registry, ECR_KMS_KEY: 'alias/images' };
    const plain = granted(synthesize(settings), 'ecr', 'kms', 'inspector2');
    const needed = ecrTasks.map((task) => [
      task,
      [...new Set(plain[task]?.map((permission) => permission.split(' ')[0] ?? ''))].toSorted(),
    ]);
    expect(inSession(synthesize({ ...settings, ECR_ROLE_ARN: role }))).toEqual(Object.fromEntries(needed));
  });

  it('lets plan, copy and export alone assume a role that is for a source, to pull', () => {
    const ofSource = 'arn:aws:iam::210987654321:role/images';
    const source = '210987654321.dkr.ecr.us-west-2.amazonaws.com';
    const made = synthesize({ REGISTRY_NAME: registry, SOURCE_REGISTRY: source, ECR_ROLE_ARN: ofSource });
    expect(granted(made, 'ecr')).toEqual(granted(synthesize({ REGISTRY_NAME: registry }), 'ecr'));
    expect(granted(made, 'sts')).toEqual(assume(ofSource, 'plan', 'copy', 'export'));
    // The plan looks for the blobs that a repair would bring.
    const allowed = [...pull, 'BatchImportUpstreamImage', 'GetAuthorizationToken'].map((name) => `ecr:${name}`);
    // The plan reads the tags that a version range chooses from.
    expect(inSession(made)).toEqual({
      plan: [...allowed, 'ecr:ListImages'].toSorted(),
      copy: allowed.toSorted(),
      export: allowed.toSorted(),
    });
  });

  it('allows both ways where only the deployment knows whether the registry is of the account of the role', () => {
    const made = synthesize({ ECR_ROLE_ARN: role, SOURCE_REGISTRY: 'gar' });
    expect(granted(made, 'sts')).toEqual(assume(role, ...ecrTasks));
    expect(granted(made, 'ecr')).toEqual(granted(synthesize(), 'ecr'));
    expect(inSession(made)['prune']).toEqual(['ecr:BatchGetImage', 'ecr:GetAuthorizationToken', 'ecr:ListImages']);
  });

  it.each([
    ['a prefix of its own', '123456789012.dkr.ecr.eu-west-1.amazonaws.com/cache/hub', 'cache/hub/*'],
    ['no prefix', '123456789012.dkr.ecr.eu-west-1.amazonaws.com', '*'],
  ])('lets plan, copy and export alone pull from a source that is ECR, with %s', (_, source, path) => {
    const made = synthesize({ REGISTRY_NAME: 'registry.example', SOURCE_REGISTRY: `gar,${source}` });
    const from = `arn:<AWS::Partition>:ecr:eu-west-1:123456789012:repository/${path}`;
    const tokenOf = 'ecr:GetAuthorizationToken *';
    const allowed = [...pull, 'BatchImportUpstreamImage'].map((name) => `ecr:${name} ${from}`);
    const both = [...allowed, tokenOf];
    const plan = [...both, `ecr:ListImages ${from}`].toSorted();
    expect(granted(made, 'ecr')).toEqual({ plan, copy: both.toSorted(), export: both.toSorted() });
  });

  it('leaves no task the right to push to a source', () => {
    const sources = '999999999999.dkr.ecr.us-west-2.amazonaws.com/cache';
    const made = synthesize({ REGISTRY_NAME: registry, SOURCE_REGISTRY: sources });
    const onSource = [...made.functions.keys()].flatMap((task) =>
      made.permissions(task).filter((permission) => permission.includes(':repository/cache/')),
    );
    expect(onSource.filter((permission) => /Put|Upload|Create|Delete/.test(permission))).toEqual([]);
    expect(onSource).not.toEqual([]);
  });

  it.each([
    ['false', {}],
    ['false, with a role', { ECR_ROLE_ARN: role }],
  ])('lets no function delete images when ALLOW_PRUNE is %s', (_, settings) => {
    const { template: made } = synthesize({ REGISTRY_NAME: registry, ALLOW_PRUNE: 'false', ...settings });
    expect(JSON.stringify(made)).not.toContain('BatchDeleteImage');
    expect(JSON.stringify(synthesize({ REGISTRY_NAME: registry, ...settings }).template)).toBe(JSON.stringify(made));
  });

  it('warns of a registry in ECR without a prefix, and of no other', () => {
    const warnings = (REGISTRY_NAME?: string) =>
      synthesize({ REGISTRY_NAME })
        .warnings.map(({ text }) => text)
        .filter((warning) => warning.includes('every repository'));
    expect(warnings('999999999999.dkr.ecr.us-west-2.amazonaws.com')).toEqual([
      expect.stringContaining('Add a prefix, such as 999999999999.dkr.ecr.us-west-2.amazonaws.com/harness-ci.'),
    ]);
    for (const name of [undefined, registry, 'registry.example']) expect(warnings(name)).toEqual([]);
  });

  const viaEcr = '"StringEquals":{"kms:ViaService":{"Fn::Join":["",["ecr.us-west-2.",{"Ref":"AWS::URLSuffix"}]]}}';
  const keys = 'arn:<AWS::Partition>:kms:us-west-2:999999999999:key';
  const keyArn = 'arn:aws:kms:us-west-2:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab';
  it.each([
    ['its ARN', keyArn, `${keyArn} if {${viaEcr}}`],
    ['its id', 'mrk-1234abcd', `${keys}/mrk-1234abcd if {${viaEcr}}`],
    [
      'its alias',
      'alias/images',
      `${keys}/* if {${viaEcr},"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/images"}}`,
    ],
  ])('lets copy alone encrypt repositories, with the one key, by %s', (_, ECR_KMS_KEY, resource) => {
    const made = synthesize({ REGISTRY_NAME: registry, ECR_KMS_KEY });
    expect(granted(made, 'kms')).toEqual({
      copy: [`kms:CreateGrant ${resource}`, `kms:DescribeKey ${resource}`],
      // The topic's.
      report: expect.any(Array),
    });
  });

  it('lets scan and copy each call its own template: a state machine and its executions, or a function', () => {
    const machine = 'arn:aws:states:us-west-2:123456789012:stateMachine:builder';
    const lambda = 'arn:aws:lambda:us-west-2:123456789012:function:scanner:live';
    const starts = [
      'states:DescribeExecution arn:<AWS::Partition>:states:us-west-2:123456789012:execution:builder:*',
      `states:StartExecution ${machine}`,
    ];
    const invokes = [`lambda:InvokeFunction ${lambda}`];
    const one = synthesize({ GATHER_SCAN_TEMPLATE: lambda, BUILD_PUSH_TEMPLATE: machine });
    const plan = granted(synthesize(), 'states')['plan'];
    expect(granted(one, 'states', 'lambda')).toEqual({ plan, scan: invokes, copy: starts });
    const other = synthesize({ GATHER_SCAN_TEMPLATE: machine, BUILD_PUSH_TEMPLATE: lambda });
    expect(granted(other, 'states', 'lambda')).toEqual({ plan, scan: starts, copy: invokes });
    expect(granted(synthesize(), 'states', 'lambda')).toEqual({ plan });
  });

  /** The stack whose API key, and token of the webhook, are in one secret. */
  const withSecret = (configured: string) =>
    synthesize({ HARNESS_API_KEY_SECRET: configured, WEBHOOK: 'on', WEBHOOK_TOKEN_SECRET: configured });

  it.each([
    ['a name', 'team/key', 'arn:<AWS::Partition>:secretsmanager:<AWS::Region>:<AWS::AccountId>:secret:team/key-??????'],
    ['an ARN', credentials, credentials],
    ['an ARN without its suffix', credentials.slice(0, -7), `${credentials.slice(0, -7)}-??????`],
  ])('allows the API key by %s', (_, configured, resource) => {
    expect(withSecret(configured).permissions('rollback')).toContain(`secretsmanager:GetSecretValue ${resource}`);
  });

  it.each([
    ['a name', 'team/key'],
    ['an ARN', credentials],
    ['the ARN of another account, without its suffix', credentials.slice(0, -7)],
  ])('hands on %s of a secret, as it is', (_, configured) => {
    const made = withSecret(configured);
    const variables = made.functions.get('rollback')?.Environment.Variables;
    expect(variables).toMatchObject({ HARNESS_API_KEY_SECRET: configured });
    made.template.hasResourceProperties('AWS::Lambda::Function', {
      Environment: { Variables: { WEBHOOK_TOKEN_SECRET: configured } },
    });
  });

  it('lets those who need the API key decrypt it, and all decrypt the state, by keys of their own', () => {
    const made = embed((stack) => {
      const secretKey = new Key(stack, 'SecretKey');
      const bucket = new Bucket(stack, 'Bucket', { encryptionKey: new Key(stack, 'BucketKey') });
      return {
        harnessApiKeySecret: new Secret(stack, 'ApiKey', { encryptionKey: secretKey }) as ISecret,
        bucket: bucket as IBucket,
      };
    });
    const keys = Object.entries(made.template.findResources('AWS::KMS::Key'));
    const [bucketKey] = keys.find(([id]) => id.startsWith('BucketKey')) ?? [];
    const secretKeyPolicy = JSON.stringify(keys.find(([id]) => id.startsWith('SecretKey')));
    for (const [task, { Role }] of made.functions) {
      expect(made.permissions(task)).toContain(`kms:GenerateDataKey <${bucketKey}.Arn>`);
      expect([task, secretKeyPolicy.includes(Role['Fn::GetAtt'][0])]).toEqual([
        task,
        taskNeeds[task]?.harnessApiKey === true,
      ]);
    }
  });
});
