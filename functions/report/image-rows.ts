import { placeOf } from '../images/images.ts';
import { formatReference } from '../oci/spec/reference.ts';
import type { CopyResult, ImageResult, Plan, PlannedImage } from '../state/documents.ts';

const warningsPerImage = 3;

/** Returns the row of an image from its plan and, after a copy, the result of that copy. */
export function imageResult(plan: Plan, planned: PlannedImage, result: CopyResult | undefined): ImageResult {
  const row = {
    image: planned.image,
    ...(planned.requested !== undefined && { requested: planned.requested }),
    source: sourceOf(plan, planned),
    target: formatReference(result ? placeOf(planned, result) : planned.target),
    digest: planned.digest ?? null,
  };
  if (planned.status === 'failed')
    return { ...row, status: 'failed', bytesTransferred: 0, bytesSkipped: 0, error: planned.error };
  if (planned.status === 'current')
    return { ...row, status: 'skipped', bytesTransferred: 0, bytesSkipped: planned.size ?? 0 };
  if (result) {
    const { warnings: _warnings, registries: _registries, tagged: _tagged, endedAt, ...outcome } = result;
    const { startedAt } = outcome;
    const took = startedAt !== undefined && endedAt !== undefined && Date.parse(endedAt) - Date.parse(startedAt);
    const status = outcome.status === 'copied' && plan.action === 'import' ? 'imported' : outcome.status;
    return { ...row, ...outcome, status, ...(took !== false && { durationMs: took }) };
  }
  // Images that the run did not copy: it is a plan, or it ended early.
  const transfer = plan.action === 'plan' ? (planned.uniqueSize ?? 0) : 0;
  return {
    ...row,
    status: 'planned',
    bytesTransferred: transfer,
    bytesSkipped: plan.action === 'plan' ? (planned.size ?? 0) - transfer : 0,
  };
}

/** Returns the row of an image of a bundle that was written. */
export function exportedImage(plan: Plan, planned: PlannedImage): ImageResult {
  const { size = 0, uniqueSize = 0 } = planned.status === 'copy' ? planned : {};
  const row = imageResult(plan, planned, undefined);
  return { ...row, status: 'exported', bytesTransferred: uniqueSize, bytesSkipped: size - uniqueSize };
}

/** Returns where an image comes from: a reference at a registry, or the bundle. */
function sourceOf({ action, bundle }: Plan, { source }: PlannedImage): string | null {
  if (bundle && action !== 'export') return bundle.address;
  return source ? formatReference(source) : null;
}

/** Limits the warnings of one image: a registry that refuses one artifact usually refuses the others too. */
export function warningsOf(image: string, result: CopyResult | undefined): string[] {
  const { warnings = [] } = result ?? {};
  const more = warnings.length - warningsPerImage;
  return [
    ...warnings.slice(0, warningsPerImage).map((warning) => `${image}: ${warning}`),
    ...(more > 0 ? [`${image}: ${more} more like these`] : []),
  ];
}
