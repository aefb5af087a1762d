import { Executions } from '../aws/executions.ts';
import { readSecret } from '../aws/secrets.ts';
import { FactoryError } from '../errors.ts';
import { deployedVariable } from '../lambda/deployed-variable.ts';
import { log, type LambdaContext } from '../lambda/log.ts';
import { stateStore } from '../lambda/state-store.ts';
import { deployedConfiguration } from '../settings/configuration.ts';
import { RunDocuments } from '../state/run-documents.ts';
import { executionArnOf } from '../text/arn.ts';
import { consoleLinks } from '../text/console.ts';
import { Tokens } from './tokens.ts';
import { answer, refuse } from './webhook.ts';
import type { WebhookRequest, WebhookResponse } from './function-url.ts';
import type { WebhookParts } from './webhook-parts.ts';

let parts: WebhookParts | undefined;

/** Handles requests to the webhook's Function URL. */
export async function handler(request: WebhookRequest, context: LambdaContext): Promise<WebhookResponse> {
  log.called(context);
  try {
    return await answer(request, (parts ??= partsOf(process.env)));
  } catch (error) {
    // Not thrown: Lambda would respond 502 and count an error, although a later request may succeed.
    log.failed(FactoryError.from(error));
    return refuse(500, 'InternalError', 'the webhook failed; see its log');
  }
}

function partsOf(environment: NodeJS.ProcessEnv): WebhookParts {
  const configuration = deployedConfiguration(environment);
  const { webhookTokenSecret: secret } = configuration;
  const store = stateStore(environment);
  const stateMachineArn = deployedVariable(environment, 'STATE_MACHINE_ARN');
  return {
    configuration,
    tokens: secret === undefined ? undefined : new Tokens(() => readSecret(secret, { refresh: true })),
    findReport: (runId) => new RunDocuments(store, runId).report.find(),
    executions: new Executions(stateMachineArn),
    links: (runId) =>
      consoleLinks(executionArnOf(stateMachineArn, runId), new RunDocuments(store, runId).page.location),
  };
}
