/** The status of an answer by which AWS itself failed (HTTP 5xx): the same call may succeed later. Else `undefined`. */
export function serverFaultOf(error: unknown): number | undefined {
  const { $metadata } = Object(error) as { $metadata?: { httpStatusCode?: number } };
  const status = $metadata?.httpStatusCode;
  return status !== undefined && status >= 500 ? status : undefined;
}
