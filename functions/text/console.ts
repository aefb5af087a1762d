/** Hosts of the console by partition. No document names those of the isolated regions. */
export const consoles: Readonly<Record<string, string>> = {
  aws: 'console.aws.amazon.com',
  'aws-us-gov': 'console.amazonaws-us-gov.com',
  'aws-cn': 'console.amazonaws.cn',
  'aws-eusc': 'console.amazonaws-eusc.eu',
};

/** The addresses of a run in the console of AWS. They hold no credentials: the console asks who reads them. */
export interface ConsoleLinks {
  execution: string;
  /** The page of the run in its bucket. */
  page?: string;
}

/**
 * Returns the addresses of a run whose execution has this ARN, and whose page is at `s3://BUCKET/KEY`. Returns
 * `undefined` for what is no ARN, and in partitions whose console has no known host.
 */
export function consoleLinks(executionArn: string, page: string | undefined): ConsoleLinks | undefined {
  const [, partition = '', , region = ''] = executionArn.split(':');
  const host = consoles[partition];
  if (!executionArn.startsWith('arn:') || host === undefined) return undefined;
  const [, bucket, key] = /^s3:\/\/([^/]+)\/(.+)$/.exec(page ?? '') ?? [];
  const place = `region=${encodeURIComponent(region)}`;
  return {
    execution: `https://${host}/states/home?${place}#/v2/executions/details/${encodeURI(executionArn)}`,
    ...(bucket !== undefined &&
      key !== undefined && {
        page: `https://${host}/s3/object/${encodeURIComponent(bucket)}?${place}&prefix=${encodeURIComponent(key)}`,
      }),
  };
}
