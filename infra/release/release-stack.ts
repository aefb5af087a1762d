import {
  Annotations,
  Aws,
  CfnCondition,
  CfnParameter,
  type CfnParameterProps,
  Duration,
  Fn,
  type IStackSynthesizer,
  Stack,
  Token,
} from 'aws-cdk-lib/core';
import { CfnAlarm } from 'aws-cdk-lib/aws-cloudwatch';
import { CfnSchedule } from 'aws-cdk-lib/aws-scheduler';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { CfnSubscription } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import { defaultApiKeySecretName, HarnessCiImageFactory } from '../harness-ci-image-factory.ts';
import { longestWindowHours } from '../operations/alarms.ts';
import { defaultSchedule, defaultTimeZone } from '../schedule.ts';
import { addOutputs, stackDescription } from '../stack-outputs.ts';
import release from '../../package.json' with { type: 'json' };
import { assetsBucket, assetsPrefix, ReleaseSynthesizer } from './release-synthesizer.ts';

export interface ReleaseStackProps {
  /** `ecr`: that of the stack's account and region. `other`: any that is not ECR. */
  readonly registry: 'ecr' | 'other';
  /** Adds the webhook, with a token. */
  readonly webhook: boolean;
  /** Gets the zips of the functions by their names. */
  readonly zips: Map<string, Uint8Array>;
}

/** The paths that an ECR repository and most registries take. */
const path = '[a-z0-9]+(?:[._-][a-z0-9]+)*(?:/[a-z0-9]+(?:[._-][a-z0-9]+)*)*';
const secretName = '[A-Za-z0-9/_+=.@-]*';

/** The factory as a template with parameters, for those without CDK. */
export class ReleaseStack extends Stack {
  readonly factory: HarnessCiImageFactory;

  constructor(scope: Construct, id: string, { registry, webhook, zips }: ReleaseStackProps) {
    // StackSynthesizer's own types miss the interface by `exactOptionalPropertyTypes`.
    const synthesizer = new ReleaseSynthesizer(zips) as IStackSynthesizer;
    // Else the template has data of CDK's own about how it was made.
    super(scope, id, { synthesizer, description: stackDescription(), analyticsReporting: false });
    this.#parameter(assetsBucket, 'The bucket with the zips of the functions, in the region of the stack.');
    this.#parameter(assetsPrefix, 'What the keys of the zips begin with.', {
      // Without the version: an update keeps the values of parameters, and zips of all releases differ in their names.
      default: `${release.name}/`,
      allowedPattern: '^$|^.*/$',
      constraintDescription: 'must end with a slash',
    });
    const schedule = this.#schedule();
    this.factory = new HarnessCiImageFactory(this, 'Factory', {
      name: Aws.STACK_NAME,
      ...this.#settings(registry),
      overdueAfter: Duration.hours(schedule.overdueAfterHours.valueAsNumber),
      webhook: webhook ? {} : undefined,
    });
    const ofEcr = 'The pattern of the parameter refuses a registry of ECR.';
    Annotations.of(this.factory).acknowledgeWarning('harness-ci-image-factory:registry-token', ofEcr);
    this.#apply(schedule);
    this.#subscribe();
    addOutputs(this, this.factory);
  }

  #parameter(id: string, description: string, props: CfnParameterProps = {}): CfnParameter {
    return new CfnParameter(this, id, { type: 'String', description, ...props });
  }

  /** Adds what the functions have in their variables. The values fit a version's description: 256 characters. */
  #settings(registry: ReleaseStackProps['registry']) {
    const harnessUrl = this.#parameter('HarnessUrl', 'The base URL of Harness.', {
      default: 'https://app.harness.io',
      allowedPattern: '^https?://\\S+$',
      maxLength: 56,
    });
    const apiKey = this.#parameter('HarnessApiKeySecretName', 'The name of the secret that holds the API key.', {
      default: defaultApiKeySecretName,
      allowedPattern: `^${secretName}$`,
      minLength: 1,
      maxLength: 48,
    });
    const connector = this.#parameter(
      'ContainerRegistryConnector',
      'The Harness connector that must point to the registry before a switch. Empty: account.harnessImage.',
      { default: '', maxLength: 32 },
    );
    const maxConcurrency = this.#parameter('MaxConcurrency', 'The number of images that are copied in parallel.', {
      type: 'Number',
      default: 5,
      minValue: 1,
      maxValue: 40,
    });
    const modifyDefault = this.#parameter('ModifyDefault', 'Switches Harness to the copies.', {
      default: 'true',
      allowedValues: ['true', 'false'],
    });
    return {
      harnessUrl: harnessUrl.valueAsString,
      harnessApiKeySecret: Secret.fromSecretNameV2(this, 'ApiKey', apiKey.valueAsString),
      containerRegistryConnector: connector.valueAsString,
      maxConcurrency: maxConcurrency.valueAsNumber,
      modifyDefault: Token.asAny(modifyDefault.value),
      ...(registry === 'ecr' ? this.#ecr() : this.#otherRegistry()),
    };
  }

  #ecr() {
    const prefix = this.#parameter(
      'RegistryPrefix',
      'The prefix of the copies in the ECR of this account and region.',
      {
        default: 'harness-ci',
        allowedPattern: `^${path}$`,
        maxLength: 32,
      },
    );
    return { registryPrefix: prefix.valueAsString };
  }

  #otherRegistry() {
    const name = this.#parameter('RegistryName', 'The registry that stores the copies: host[:port][/prefix].', {
      allowedPattern: `^(?!.*\\.dkr[.-]ecr[.-])[A-Za-z0-9.-]+(?::[0-9]+)?(?:/${path})?$`,
      constraintDescription: 'must be host[:port][/prefix], and not of ECR: that has factory.template.json',
      maxLength: 56,
    });
    const credentials = this.#parameter(
      'RegistryCredentialsSecretName',
      'The name of the secret that holds the credentials, as a Docker config.json. Empty: none.',
      { default: '', allowedPattern: `^${secretName}$`, maxLength: 48 },
    );
    return {
      registryName: name.valueAsString,
      registryCredentialsSecret: Secret.fromSecretNameV2(this, 'RegistryCredentials', credentials.valueAsString),
    };
  }

  #schedule() {
    return {
      cron: this.#parameter('Schedule', "When runs start: the six fields of EventBridge's cron.", {
        default: defaultSchedule,
        allowedPattern: '^\\S+(?: \\S+){5}$',
        constraintDescription: 'must be minutes hours day-of-month month day-of-week year, such as 0 2 * * ? *',
      }),
      timeZone: this.#parameter('ScheduleTimeZone', 'The time zone of Schedule.', { default: defaultTimeZone }),
      state: this.#parameter('ScheduleState', 'DISABLED: runs are started by hand only, and no sync is overdue.', {
        default: 'ENABLED',
        allowedValues: ['ENABLED', 'DISABLED'],
      }),
      overdueAfterHours: this.#parameter(
        'OverdueAfterHours',
        'Hours without a successful sync until the alarm. More than the longest gap of Schedule.',
        { type: 'Number', default: 36, minValue: 1, maxValue: longestWindowHours },
      ),
    };
  }

  /** Puts parameters where the construct wants values at synthesis, because it checks them and computes with them. */
  #apply({ cron, timeZone, state }: Record<'cron' | 'timeZone' | 'state', CfnParameter>): void {
    const isOn = new CfnCondition(this, 'HasSchedule', { expression: Fn.conditionEquals(state, 'ENABLED') });
    for (const child of this.factory.schedule?.node.findAll() ?? [])
      if (child instanceof CfnSchedule) {
        child.scheduleExpression = Fn.join('', ['cron(', cron.valueAsString, ')']);
        child.scheduleExpressionTimezone = timeZone.valueAsString;
        child.state = state.valueAsString;
      }
    const overdue = this.factory.alarms.node.findChild('NoSyncSucceeded').node.defaultChild;
    if (!(overdue instanceof CfnAlarm)) throw new Error('there is no alarm for an overdue sync');
    overdue.actionsEnabled = Fn.conditionIf(isOn.logicalId, true, false);
  }

  #subscribe(): void {
    const email = this.#parameter(
      'NotificationEmail',
      'Gets outcomes and alarms, when it has confirmed. Empty: nobody.',
      {
        default: '',
        allowedPattern: '^$|^[^@\\s]+@[^@\\s]+$',
      },
    );
    const expression = Fn.conditionNot(Fn.conditionEquals(email, ''));
    const subscription = new CfnSubscription(this, 'Email', {
      topicArn: this.factory.topic.topicArn,
      protocol: 'email',
      endpoint: email.valueAsString,
    });
    subscription.cfnOptions.condition = new CfnCondition(this, 'HasEmail', { expression });
  }
}
