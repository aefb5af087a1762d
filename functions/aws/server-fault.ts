/**
 * Returns the status of a response with which AWS itself failed (HTTP 5xx), else `undefined`. The call may succeed
 * later.
 */
export function serverFaultOf(error: unknown): number | undefined {
  const { $metadata } = Object(error) as { $metadata?: { httpStatusCode?: number } };
  const status = $metadata?.httpStatusCode;
  return status !== undefined && status >= 500 ? status : undefined;
}
