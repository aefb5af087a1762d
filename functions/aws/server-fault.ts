/** Returns the status of AWS's own failure (HTTP 5xx), which may pass; `undefined` for any other error. */
export function serverFaultOf(error: unknown): number | undefined {
  const { $metadata } = Object(error) as { $metadata?: { httpStatusCode?: number } };
  const status = $metadata?.httpStatusCode;
  return status !== undefined && status >= 500 ? status : undefined;
}
