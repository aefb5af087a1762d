import { CfnOutput, Stack, type StackProps, Tags } from 'aws-cdk-lib/core';
import { Alias, type IKey, Key } from 'aws-cdk-lib/aws-kms';
import { Code, LayerVersion } from 'aws-cdk-lib/aws-lambda';
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import { parseEcrHost } from '../functions/oci/registry/ecr-host.ts';
import { formatLocation } from '../functions/oci/spec/reference.ts';
import { isArn } from '../functions/text/arn.ts';
import type { DeploymentSettings } from './deployment-settings.ts';
import { existingResources } from './existing-resources.ts';
import { HarnessCiImageFactory, type NetworkProps } from './harness-ci-image-factory.ts';
import { addOutputs, stackDescription } from './stack-outputs.ts';
import { type Template, templateFromArn } from './template.ts';

export interface HarnessCiImageFactoryStackProps extends StackProps {
  readonly configuration: DeploymentSettings;
}

/** The factory by itself, for those who do not embed the construct in a stack of their own. */
export class HarnessCiImageFactoryStack extends Stack {
  readonly factory: HarnessCiImageFactory;

  constructor(scope: Construct, id: string, { configuration, ...props }: HarnessCiImageFactoryStackProps) {
    super(scope, id, { description: stackDescription(), tags: { ...configuration.stackTags }, ...props });
    for (const [key, value] of Object.entries(configuration.stackTags)) Tags.of(this).add(key, value);
    this.factory = new HarnessCiImageFactory(this, 'Factory', {
      ...configuration,
      ...existingResources(this, configuration),
      harnessApiKeySecret: this.#secret('ApiKey', configuration.harnessApiKeySecret),
      registryName: configuration.registry && formatLocation(configuration.registry),
      formerRegistry: configuration.formerRegistry && formatLocation(configuration.formerRegistry),
      registryCredentialsSecret: this.#secret('RegistryCredentials', configuration.registryCredentialsSecret),
      sourceRegistry: configuration.sources,
      notificationEmails: configuration.notificationEmail,
      containerRegistryConnector: configuration.connector,
      ...this.#certificates(configuration.registryCerts),
      gatherScanTemplate: this.#template('GatherScanTemplate', configuration.gatherScanTemplate),
      buildPushTemplate: this.#template('BuildPushTemplate', configuration.buildPushTemplate),
      ecrKmsKey: this.#ecrKmsKey(configuration),
      ecrTokenSecret: this.#tokenSecret(configuration.ecrTokenSecret),
      callbackUrlSecret: this.#secret('CallbackUrl', configuration.callbackUrlSecret),
      webhook: configuration.webhook
        ? {
            auth: configuration.webhook,
            tokenSecret: this.#secret('WebhookToken', configuration.webhookTokenSecret),
            principals: configuration.webhookPrincipals,
            reservedConcurrency: configuration.webhookConcurrency,
            allow: configuration.webhookAllow,
          }
        : undefined,
    });
    addOutputs(this, this.factory);
    const { notificationEmail: addresses } = configuration;
    if (addresses.length > 0)
      new CfnOutput(this, 'NotificationEmails', {
        value: addresses.join(', '),
        description: 'Each must confirm the message that AWS sent to it. Until then, it gets nothing else.',
      });
  }

  /** The folder of this machine, as a layer. */
  #certificates(registryCerts: string | undefined): Pick<NetworkProps, 'layers' | 'registryCerts'> {
    if (registryCerts === undefined) return {};
    const layer = new LayerVersion(this, 'RegistryCerts', { code: Code.fromAsset(registryCerts) });
    return { layers: [layer], registryCerts: '/opt' };
  }

  #template(id: string, arn: string | undefined): Template | undefined {
    return arn === undefined ? undefined : templateFromArn(this, id, arn);
  }

  /** An id alone is that of a key beside the registry. */
  #ecrKmsKey({ ecrKmsKey, registry }: DeploymentSettings): IKey | undefined {
    if (ecrKmsKey === undefined) return undefined;
    const [alias] = /alias\/.+$/.exec(ecrKmsKey) ?? [];
    if (alias) return Alias.fromAliasName(this, 'EcrKmsKey', alias);
    const { accountId = this.account, region = this.region } = parseEcrHost(registry?.registry ?? '') ?? {};
    const keys = `arn:${this.partition}:kms:${region}:${accountId}:key`;
    return Key.fromKeyArn(this, 'EcrKmsKey', isArn(ecrKmsKey) ? ecrKmsKey : `${keys}/${ecrKmsKey}`);
  }

  /** The identifier of a secret in Harness, or the secret that an ARN names. */
  #tokenSecret(secret: string | undefined): string | ISecret | undefined {
    return secret !== undefined && isArn(secret) ? this.#secret('EcrTokenSecret', secret) : secret;
  }

  #secret(id: string, nameOrArn: string | undefined): ISecret | undefined {
    if (nameOrArn === undefined) return undefined;
    if (!isArn(nameOrArn)) return Secret.fromSecretNameV2(this, id, nameOrArn);
    // Secrets Manager ends every ARN with six characters of its own; people often leave them out.
    return /-[A-Za-z0-9]{6}$/.test(nameOrArn)
      ? Secret.fromSecretCompleteArn(this, id, nameOrArn)
      : Secret.fromSecretPartialArn(this, id, nameOrArn);
  }
}
