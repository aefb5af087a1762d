/**
 * The modules that decide what is deleted, what Harness is switched to, and who may ask for it; each with the suites
 * that must notice a mistake in it, the fastest first. A suite is a path, or the beginning of one.
 */
export const modules: Readonly<Record<string, readonly string[]>> = {
  'functions/plan/unused-images.ts': ['test/plan/unused-images'],
  'functions/prune/prune.ts': ['test/prune/prune.test', 'test/tasks/prune.test'],
  'functions/prune/repository-deletions.ts': ['test/prune/repository-deletions'],
  'functions/gate/gate.ts': ['test/tasks/gate'],
  'functions/snapshot/pullable.ts': ['test/snapshot/pullable', 'test/tasks/pullable'],
  'functions/run/wholeness.ts': ['test/run/wholeness', 'test/tasks/repairs'],
  'functions/plan/repairs.ts': ['test/plan/planned-repairs', 'test/tasks/repairs'],
  'functions/snapshot/snapshot.ts': ['test/snapshot/snapshot', 'test/tasks/snapshot'],
  'functions/run/apply-changes.ts': ['test/run/apply-changes'],
  'functions/run/agreement.ts': ['test/run/agreement'],
  'functions/rollback/rollback.ts': ['test/tasks/rollback-attempt', 'test/tasks/rollback.test'],
  'functions/run/writes.ts': ['test/run/writes'],
  'functions/plan/recovery.ts': ['test/tasks/recovery'],
  'functions/report/tell.ts': ['test/tasks/told', 'test/tasks/callback', 'test/tasks/notification'],
  'functions/run/lock.ts': ['test/run/lock', 'test/tasks/lock'],
  'functions/run/rollback-failed.ts': ['test/run/rollback-failed'],
  'functions/webhook/delivery.ts': ['test/webhook/delivery'],
  'functions/webhook/start-once.ts': ['test/webhook/start-once'],
  'functions/webhook/run-status.ts': ['test/webhook/run-status'],
  'functions/webhook/handler.ts': ['test/webhook/handler'],
  'functions/settings/webhook-guards.ts': ['test/settings/webhook-guards'],
  'functions/plan/changes.ts': ['test/plan/changes'],
  'functions/plan/waves.ts': ['test/plan/waves', 'test/tasks/waves'],
  'functions/verify/verify.ts': ['test/tasks/verify', 'test/tasks/plan-and-verify'],
  'functions/webhook/webhook.ts': ['test/webhook/answer'],
  'functions/webhook/tokens.ts': ['test/webhook/tokens'],
  'functions/http/address-policy.ts': ['test/http/address-policy'],
  'functions/oci/copy-blob.ts': ['test/oci/copy-blob', 'test/oci/repair'],
};
