/** The used part of a Function URL's request (payload format 2.0, with header names in lower case). */
export interface WebhookRequest {
  rawPath: string;
  headers: Readonly<Record<string, string | undefined>>;
  requestContext: {
    domainName: string;
    http: { method: string };
    /** The caller, when Lambda verifies signatures. */
    authorizer?: { iam?: { userArn?: string } };
  };
  body?: string;
  isBase64Encoded?: boolean;
}

export interface WebhookResponse {
  statusCode: number;
  headers: Record<string, string>;
  body: string;
}
