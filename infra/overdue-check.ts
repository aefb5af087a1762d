import { Duration } from 'aws-cdk-lib/core';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { callRegularly } from './regular-call.ts';
import { allowKeys } from './state-bucket.ts';
import { type FunctionSettings, TaskFunction } from './task-function.ts';

export interface OverdueCheckProps extends FunctionSettings {
  readonly bucket: IBucket;
}

/** Writes the age of the last sync as a metric every hour. Alarms on other metrics look back a week at most. */
export class OverdueCheck extends Construct {
  /** The function that looks for the last sync. */
  readonly function: TaskFunction;

  constructor(scope: Construct, id: string, { bucket, ...settings }: OverdueCheckProps) {
    super(scope, id);
    const environment = { ...settings.environment, STATE_BUCKET: bucket.bucketName };
    this.function = new TaskFunction(this, 'Check', { ...settings, environment, task: 'overdue' });
    const { role, handler } = this.function;
    allowKeys(role, bucket, { writes: ['last-sync.json'] });
    callRegularly(this, handler, Duration.hours(1), 'the check for an overdue sync');
  }
}
