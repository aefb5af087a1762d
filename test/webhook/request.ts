import type { WebhookRequest } from '../../functions/webhook/function-url.ts';

export const token = 'a-token-of-good-length';

export interface RequestOptions {
  method?: string;
  path?: string;
  body?: string;
  headers?: Record<string, string | undefined>;
  base64?: boolean;
}

/** A request as a Function URL hands it over, with a good token and, where there is a body, its type. */
export function request({
  method = 'POST',
  path = '/runs',
  body,
  headers,
  base64,
}: RequestOptions = {}): WebhookRequest {
  return {
    rawPath: path,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    requestContext: { domainName: 'abc.lambda-url.eu-west-1.on.aws', http: { method } },
    ...(body !== undefined && { body }),
    isBase64Encoded: base64 ?? false,
  };
}

/** A pipeline's notification, as Harness sends one (WebhookNotificationEvent). */
export function notification(event: Record<string, unknown> = {}): string {
  return JSON.stringify({
    eventData: {
      accountIdentifier: 'account',
      orgIdentifier: 'default',
      projectIdentifier: 'platform',
      pipelineIdentifier: 'release',
      pipelineName: 'Release',
      planExecutionId: 'Zq3VbXkPT9iPSyVXz1dFZg',
      executionUrl: 'https://app.harness.io/ng/account/account/…',
      eventType: 'PipelineSuccess',
      nodeStatus: 'completed',
      triggeredBy: { triggerType: 'MANUAL', name: 'admin', email: 'admin@example.com' },
      startTime: 'Tue Aug 20 08:14:46 GMT 2024',
      startTs: 1724141686,
      ...event,
    },
  });
}
