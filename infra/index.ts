// The public surface of the package. Whatever is exported here is a promise to apps that use the construct.
export { defaultApiKeySecretName, HarnessCiImageFactory } from './harness-ci-image-factory.ts';
export type * from './harness-ci-image-factory-props.ts';
export type { EcrToken } from './ecr-token.ts';
export type { Alarms } from './operations/alarms.ts';
export type { FactoryMetric } from './operations/metrics.ts';
export type { OverdueCheck } from './overdue-check.ts';
export type { RunSchedule } from './schedule.ts';
export type { TaskFunction } from './task-function.ts';
export type { Template } from './template.ts';
export type { Webhook } from './webhook.ts';
