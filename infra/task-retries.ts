/** A retrier of Amazon States Language. */
export interface Retrier {
  readonly ErrorEquals: readonly string[];
  readonly IntervalSeconds?: number;
  readonly MaxAttempts: number;
  readonly BackoffRate?: number;
  readonly MaxDelaySeconds?: number;
  readonly JitterStrategy?: string;
}

/** The retriers of every task: Lambda is at capacity, does not run the function yet, or the function died. */
const ofEveryTask: readonly Retrier[] = [
  {
    ErrorEquals: ['Lambda.TooManyRequestsException'],
    IntervalSeconds: 2,
    MaxAttempts: 100,
    BackoffRate: 2,
    MaxDelaySeconds: 60,
    JitterStrategy: 'FULL',
  },
  {
    ErrorEquals: [
      'Lambda.ServiceException',
      'Lambda.AWSLambdaException',
      'Lambda.SdkClientException',
      'Lambda.ClientExecutionTimeoutException',
      'Lambda.ResourceNotReadyException',
      'Lambda.ResourceConflictException',
      'Lambda.ENINotReadyException',
      'Lambda.ENILimitReachedException',
      'Lambda.SubnetIPAddressLimitReachedException',
      'Lambda.EC2ThrottledException',
      'Lambda.EC2UnexpectedException',
    ],
    IntervalSeconds: 2,
    MaxAttempts: 12,
    BackoffRate: 2,
    MaxDelaySeconds: 60,
    JitterStrategy: 'FULL',
  },
  {
    ErrorEquals: ['Lambda.Unknown', 'Runtime.ExitError', 'Runtime.OutOfMemory', 'Sandbox.Timedout', 'States.Timeout'],
    IntervalSeconds: 5,
    MaxAttempts: 2,
    BackoffRate: 2,
  },
];

/** Completes the retriers of a task: its own come first, and replace those of every task for the errors that they name. */
export function retriersOf(own: readonly Retrier[]): readonly Retrier[] {
  const named = new Set(own.flatMap(({ ErrorEquals }) => ErrorEquals));
  if (named.has('States.ALL')) return own;
  return [...own, ...ofEveryTask.filter(({ ErrorEquals }) => !ErrorEquals.some((error) => named.has(error)))];
}
