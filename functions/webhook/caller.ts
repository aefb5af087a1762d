import { bearerToken, type Tokens } from './tokens.ts';
import type { WebhookRequest } from './function-url.ts';

/** The sender of a request. A token has no name. */
export interface Caller {
  arn?: string;
}

/**
 * Returns the sender of a request, or `undefined` for a stranger. Without `tokens` that is the identity whose signature
 * Lambda has verified: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
 */
export async function callerOf(
  { headers, requestContext }: WebhookRequest,
  tokens: Tokens | undefined,
): Promise<Caller | undefined> {
  if (tokens) {
    const token = bearerToken(headers['authorization']);
    return token !== undefined && (await tokens.accept(token)) ? {} : undefined;
  }
  const arn = requestContext.authorizer?.iam?.userArn;
  return arn ? { arn } : undefined;
}
