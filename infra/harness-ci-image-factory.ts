import { ArnFormat, Aws, Duration, Names, Stack } from 'aws-cdk-lib/core';
import type { IMetric, MetricOptions } from 'aws-cdk-lib/aws-cloudwatch';
import { Connections, type IConnectable } from 'aws-cdk-lib/aws-ec2';
import { type Grant, type IGrantable, PermissionsBoundary } from 'aws-cdk-lib/aws-iam';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import {
  CustomerManagedEncryptionConfiguration,
  DefinitionBody,
  LogLevel,
  StateMachine,
  StateMachineType,
} from 'aws-cdk-lib/aws-stepfunctions';
import { LAMBDA_RECOGNIZE_LAYER_VERSION } from 'aws-cdk-lib/cx-api';
import release from '../package.json' with { type: 'json' };
import { Construct } from 'constructs';
import { addLogGroup } from './log-group.ts';
import { parseCron, parseTimeZone } from '../functions/settings/cron.ts';
import { longestGapHours } from './longest-gap.ts';
import { acceptFindings, acceptWildcard } from './accepted-findings.ts';
import { assertProps, longestName } from './checked-props.ts';
import { EcrToken } from './ecr-token.ts';
import { allowExecutions, allowLogs } from './encryption.ts';
import { allowToDescribe } from './executions.ts';
import type { HarnessCiImageFactoryProps } from './harness-ci-image-factory-props.ts';
import { addVpcEndpoints, connectionEnvironment, functionNetwork } from './network.ts';
import { allowAlarmsToPublish, allowToPublish, notificationTopic, subscribeEmails } from './notification-topic.ts';
import { Alarms, longestWindowHours } from './operations/alarms.ts';
import { Dashboard } from './operations/dashboard.ts';
import { type FactoryMetric, factoryMetric, metricsNamespace } from './operations/metrics.ts';
import { Queries } from './operations/queries.ts';
import { allowEvents } from './outcome-events.ts';
import { OverdueCheck } from './overdue-check.ts';
import { Recovery } from './recovery.ts';
import { allowRegistry } from './registry-permissions.ts';
import { defaultSchedule, defaultTimeZone, RunSchedule } from './schedule.ts';
import { allowToRead } from './secret-access.ts';
import { environmentOf } from './settings.ts';
import { allowBundles } from './bundle-bucket.ts';
import { allowSigning, bundleKeys } from './bundle-signing.ts';
import { allowState, stateBucket } from './state-bucket.ts';
import { formerRegistry, type TargetRegistry, targetRegistry, warnAboutRegistry } from './target-registry.ts';
import { type FunctionSettings, TaskFunction } from './task-function.ts';
import { taskNeeds } from './task-needs.ts';
import { allowTemplate } from './template.ts';
import { Webhook } from './webhook.ts';
import { lambdaInvoke, placeholderOf, readWorkflowDefinition, tasksOf } from './workflow-definition.ts';

export type * from './harness-ci-image-factory-props.ts';

/** The default name of the secret that holds the Harness API key. */
export const defaultApiKeySecretName = 'harness-ci-image-factory/api-key';

/**
 * Keeps the Harness CI images in your own registry current, and points Harness at them. Creates the workflow, its
 * functions and triggers, the bucket for their state, alarms and a dashboard.
 *
 * @example
 * const factory = new HarnessCiImageFactory(this, 'ImageFactory', {
 *   registryName: `${this.account}.dkr.ecr.${this.region}.${this.urlSuffix}/mirror`,
 *   notificationEmails: ['platform@example.com'],
 * });
 */
export class HarnessCiImageFactory extends Construct implements IConnectable {
  /** Holds plans, snapshots and reports by run. */
  readonly bucket: IBucket;
  /** Receives the results of runs, and alarms. */
  readonly topic: ITopic;
  /** The function of each task of the workflow, by the name of the task's folder. */
  readonly functions: ReadonlyMap<string, TaskFunction>;
  /** The workflow. Start it with an execution input, such as `{}`. */
  readonly stateMachine: StateMachine;
  /** Starts runs. `undefined` if `schedule` is `off`. */
  readonly schedule: RunSchedule | undefined;
  /** The URL for callers. `undefined` without `webhook`. */
  readonly webhook: Webhook | undefined;
  /** Refreshes the ECR password. `undefined` without `ecrTokenSecret`. */
  readonly ecrToken: EcrToken | undefined;
  /** Measures the age of the last sync. `undefined` unless a sync is overdue only after more than a week. */
  readonly overdueCheck: OverdueCheck | undefined;
  /** The alarms, which publish to the topic. */
  readonly alarms: Alarms;
  /** The name of the dashboard in CloudWatch. */
  readonly dashboardName: string;
  /** The security groups of the functions. Empty without a VPC. */
  readonly connections: Connections;
  readonly #service: string;

  /** @throws {FactoryError} `InvalidConfiguration` with all problems of the props. */
  constructor(scope: Construct, id: string, props: HarnessCiImageFactoryProps = {}) {
    super(scope, id);
    assertProps(this, props);
    // Apps that lack this flag would deploy a changed layer without a new version of the functions.
    this.node.setContext(LAMBDA_RECOGNIZE_LAYER_VERSION, true);
    const { encryptionKey, permissionsBoundary, logRetention = RetentionDays.THREE_MONTHS } = props;
    if (permissionsBoundary) PermissionsBoundary.of(this).apply(permissionsBoundary);
    if (encryptionKey) allowLogs(this, encryptionKey);
    this.#service = props.name ?? Names.uniqueResourceName(this, { maxLength: longestName });
    this.bucket = props.bucket ?? stateBucket(this, props);
    this.topic = props.topic ?? notificationTopic(this, encryptionKey);
    allowAlarmsToPublish(this, this.topic);
    subscribeEmails(this, this.topic, props.notificationEmails);

    const apiKey = props.harnessApiKeySecret ?? Secret.fromSecretNameV2(this, 'ApiKey', defaultApiKeySecretName);
    const registry = targetRegistry(this, props.registryName, props.registryPrefix);
    const network = functionNetwork(this, props);
    this.connections = new Connections({ securityGroups: network?.securityGroups ?? [] });
    warnAboutRegistry(this, registry);
    const former = formerRegistry(this, props.formerRegistry, props.registryName);
    const settings = {
      ...props,
      harnessApiKeySecret: apiKey,
      registryName: registry.name,
      formerRegistry: former?.name,
    };
    if (network && props.createVpcEndpoints) addVpcEndpoints(this, network, settings);
    const common: FunctionSettings = {
      environment: {
        ...environmentOf(settings),
        ...connectionEnvironment(this, props),
        ...(props.bundleBucket && { BUNDLE_BUCKET: props.bundleBucket.bucketName }),
        POWERTOOLS_SERVICE_NAME: this.#service,
        POWERTOOLS_METRICS_NAMESPACE: metricsNamespace,
      },
      logRetention,
      encryptionKey,
      network,
      layers: props.layers,
    };
    const definition = readWorkflowDefinition();
    this.functions = new Map(
      tasksOf(definition).map((task) => [task, this.#addFunction(task, common, registry, settings)]),
    );

    this.stateMachine = new StateMachine(this, 'Workflow', {
      // Named, because CDK ties the role's use of the key to the ARN, which it knows by the name alone.
      stateMachineName: this.#service,
      ...(encryptionKey && { encryptionConfiguration: new CustomerManagedEncryptionConfiguration(encryptionKey) }),
      stateMachineType: StateMachineType.STANDARD,
      definitionBody: DefinitionBody.fromString(definition),
      definitionSubstitutions: {
        LambdaInvoke: lambdaInvoke(Aws.PARTITION),
        ...Object.fromEntries(
          // Versions, because an execution that began before a deployment must end with the code that it began with.
          [...this.functions].map(([task, { version }]) => [placeholderOf(task), version.functionArn]),
        ),
      },
      tracingEnabled: true,
      logs: {
        destination: addLogGroup(
          this,
          'WorkflowLogs',
          { logRetention, encryptionKey },
          // Under any other name, each state machine makes the account's log resource policy longer, up to its limit:
          // https://docs.aws.amazon.com/step-functions/latest/dg/bp-cwl.html
          `/aws/vendedlogs/states/${this.#service}`,
        ),
        level: LogLevel.ERROR,
        includeExecutionData: false,
      },
    });
    for (const { handler } of this.functions.values()) {
      handler.grantInvoke(this.stateMachine);
      const reason = 'Executions that are at work call the versions of the deployments that they began with.';
      acceptWildcard(this.stateMachine, `${handler.functionArn}:*`, reason);
    }
    acceptFindings(
      this.stateMachine,
      ['AwsSolutions-SF1'],
      'Step Functions keeps every event for 90 days. The log holds errors.',
    );
    acceptFindings(this.stateMachine, ['W3005'], 'CDK lists dependencies that CloudFormation also finds by itself.');
    acceptFindings(
      this,
      ['NIST.800.53.R5-IAMNoInlinePolicy'],
      'Each policy is for one role, and goes with it. A managed policy could be attached to others.',
    );
    acceptWildcard(this.stateMachine, '*', 'The actions of log delivery and X-Ray support no resources.');

    const { stateMachine, topic } = this;
    const { schedule: cron, scheduleTimeZone: timeZone, scheduleInput: input } = props;
    const rule = { stateMachine, cron, timeZone, input, encryptionKey };
    this.schedule = cron === 'off' ? undefined : new RunSchedule(this, 'Schedule', rule);
    this.webhook =
      props.webhook && new Webhook(this, 'Webhook', { ...props.webhook, ...common, stateMachine, bucket: this.bucket });
    if (this.webhook && encryptionKey)
      allowExecutions(this.webhook.function.role, encryptionKey, stateMachine.stateMachineArn);
    new Recovery(this, 'Recovery', { name: this.#service, stateMachine });
    const { ecrTokenSecret: secret } = props;
    this.ecrToken =
      secret === undefined
        ? undefined
        : new EcrToken(this, 'EcrToken', { ...common, secret, registry, former, settings });

    const overdueAfter = props.overdueAfter ?? overdueByDefault(props);
    if (overdueAfter && overdueAfter.toHours() > longestWindowHours)
      this.overdueCheck = new OverdueCheck(this, 'Overdue', { ...common, bucket: this.bucket });
    const deadLetterQueue = this.schedule?.deadLetterQueue;
    const webhook = this.webhook?.function.handler;
    const ecrToken = this.ecrToken?.function.handler;
    const hasCallback = props.callbackUrlSecret !== undefined;
    const triggers = { deadLetterQueue, webhook, ecrToken, hasCallback };
    this.alarms = new Alarms(this, 'Alarms', {
      service: this.#service,
      stateMachine,
      report: this.#taskFunction('report').handler,
      topic,
      overdueAfter,
      ...triggers,
    });
    this.dashboardName = this.#addViews();
  }

  /** Grants the permission to start runs. */
  grantStartExecution(grantee: IGrantable): Grant {
    return this.stateMachine.grantStartExecution(grantee);
  }

  /** Successful runs of every action, skipped runs included. `SyncsSucceeded` counts only syncs. */
  metricRunsSucceeded(options?: MetricOptions): IMetric {
    return this.stateMachine.metricSucceeded({ statistic: 'Sum', ...options });
  }

  /** Runs of every action that failed. */
  metricRunsFailed(options?: MetricOptions): IMetric {
    return this.stateMachine.metricFailed({ statistic: 'Sum', ...options });
  }

  /** A metric of the factory's own, such as `ImagesCopied`. */
  metric(name: FactoryMetric, options?: MetricOptions): IMetric {
    return factoryMetric(this.#service, name, options);
  }

  /** Images copied. */
  metricImagesCopied(options?: MetricOptions): IMetric {
    return this.metric('ImagesCopied', options);
  }

  /** Images that could not be copied. */
  metricImagesFailed(options?: MetricOptions): IMetric {
    return this.metric('ImagesFailed', options);
  }

  /** Bytes uploaded to the registry. */
  metricBytesTransferred(options?: MetricOptions): IMetric {
    return this.metric('BytesTransferred', options);
  }

  /** The time from the plan to the report, in milliseconds. */
  metricRunDuration(options?: MetricOptions): IMetric {
    return this.metric('RunDuration', options);
  }

  /** HTTP 429 responses of registries. */
  metricThrottles(options?: MetricOptions): IMetric {
    return this.metric('Throttles', options);
  }

  /** Fields whose value in Harness was not the expected one. */
  metricDriftFound(options?: MetricOptions): IMetric {
    return this.metric('DriftFound', options);
  }

  #addFunction(
    task: string,
    common: FunctionSettings,
    registry: TargetRegistry,
    settings: HarnessCiImageFactoryProps,
  ): TaskFunction {
    const needs = taskNeeds[task] ?? {};
    const { harnessApiKeySecret, registryCredentialsSecret, callbackUrlSecret, encryptionKey } = settings;
    const environment = {
      ...common.environment,
      ...bundleKeys(needs, settings),
      STATE_BUCKET: this.bucket.bucketName,
      ...(needs.notifies && {
        NOTIFICATION_TOPIC_ARN: this.topic.topicArn,
        RELEASE: release.version,
        ...scheduleFor(settings),
      }),
      ...(needs.executions && { STATE_MACHINE_ARN: this.#stateMachineArn }),
    };
    const id = placeholderOf(task).replace(/Function$/, '');
    const added = new TaskFunction(this, id, { ...common, task, environment });
    const { role } = added;
    allowState(role, this.bucket, needs);
    if (needs.bundles && settings.bundleBucket) allowBundles(role, settings.bundleBucket, needs.bundles);
    if (needs.bundles === 'write' && settings.bundleSigningKey) allowSigning(role, settings.bundleSigningKey);
    if (needs.harnessApiKey && harnessApiKeySecret) allowToRead(role, harnessApiKeySecret);
    if (needs.registryCredentials && registryCredentialsSecret) allowToRead(role, registryCredentialsSecret);
    allowRegistry(added, needs, registry, settings);
    const template = needs.template && settings[needs.template];
    if (template) allowTemplate(role, template);
    if (needs.executions) {
      allowToDescribe(role, this.#service);
      if (encryptionKey) allowExecutions(role, encryptionKey, this.#stateMachineArn);
    }
    if (needs.notifies) {
      if (callbackUrlSecret) allowToRead(role, callbackUrlSecret);
      allowToPublish(role, this.topic);
      allowEvents(role);
    }
    return added;
  }

  /** Returns the ARN of the workflow from its name, because its functions are created before it. */
  get #stateMachineArn(): string {
    return Stack.of(this).formatArn({
      service: 'states',
      resource: 'stateMachine',
      resourceName: this.#service,
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    });
  }

  #taskFunction(task: string): TaskFunction {
    const found = this.functions.get(task);
    if (!found) throw new Error(`the workflow has no task ${task}`);
    return found;
  }

  /** Adds the dashboard and the queries. Returns the name of the dashboard. */
  #addViews(): string {
    const { stateMachine } = this;
    const copy = this.#taskFunction('copy');
    const dashboard = { service: this.#service, stateMachine, copy, alarms: this.alarms.all };
    const { name } = new Dashboard(this, 'Dashboard', dashboard);
    const all = [
      ...this.functions.values(),
      this.webhook?.function,
      this.ecrToken?.function,
      this.overdueCheck?.function,
    ].filter((added) => added !== undefined);
    const logGroups = all.map(({ logGroup }) => logGroup);
    new Queries(this, 'Queries', { folder: this.#service, logGroups });
    return name;
  }
}

/** Returns the variables with which the report task computes the next run. */
function scheduleFor({ schedule, scheduleTimeZone }: HarnessCiImageFactoryProps): Record<string, string> {
  if (schedule === 'off') return {};
  return {
    SCHEDULE: parseCron(schedule ?? defaultSchedule),
    SCHEDULE_TIME_ZONE: parseTimeZone(scheduleTimeZone ?? defaultTimeZone),
  };
}

/** Returns the longest gap of the schedule and half a day for the run; `undefined` without two runs of `sync`. */
function overdueByDefault(props: HarnessCiImageFactoryProps): Duration | undefined {
  const { schedule = defaultSchedule, scheduleTimeZone = defaultTimeZone, scheduleInput = {} } = props;
  const { action } = scheduleInput;
  const syncs = typeof action !== 'string' || ['', 'sync'].includes(action.toLowerCase());
  const hours = schedule === 'off' || !syncs ? undefined : longestGapHours(schedule, scheduleTimeZone);
  return hours === undefined ? undefined : Duration.hours(hours + 12);
}
