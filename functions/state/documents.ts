/** The documents that the tasks of one run write into the object store and read from it, as their schemas define them. */
export * from './documents/carried.ts';
export * from './documents/connector.ts';
export * from './documents/copy.ts';
export * from './documents/fields.ts';
export * from './documents/held-switch.ts';
export * from './documents/image.ts';
export * from './documents/plan.ts';
export * from './documents/registry-counts.ts';
export * from './documents/registry-images.ts';
export * from './documents/report.ts';
export * from './documents/rollback.ts';
export * from './documents/run.ts';
export * from './documents/scans.ts';
export * from './documents/told.ts';
