import * as z from 'zod';
import { harnessModules, infrastructureTypes } from '../harness/scope.ts';
import { type ExtraImage, parseExtraImage } from './extra-image.ts';
import { reasonOf } from './problems.ts';

/** A field of Harness that needs an image. */
export const imageRole = z.strictObject({
  module: z.enum(harnessModules),
  infrastructureType: z.enum(infrastructureTypes),
  field: z.string().regex(/^[\w.-]{1,256}$/),
});
type ImageRole = z.output<typeof imageRole>;

/** An image to export, and why: without roles, because somebody listed it. */
export interface ListedImage {
  image: ExtraImage;
  roles: ImageRole[];
}

const withRoles = z.strictObject({ image: z.string(), roles: z.array(imageRole).max(1_000).optional() });

const listedImageText =
  '[host/]namespace/name[:tag|:range|@digest], such as harness/ci-addon:1.18.27, or {"image": …, "roles": […]}';

/** Accepts an image name, or one with the fields that need it, as in `needs.json`. */
export const listedImage = z.unknown().transform((value, context): ListedImage => {
  const refuse = (reason: string | undefined) => {
    context.issues.push({ code: 'custom', message: listedImageText, input: value, params: { reason } });
    return z.NEVER;
  };
  const entry = withRoles.safeParse(typeof value === 'string' ? { image: value } : value);
  if (!entry.success) return refuse(entry.error.issues[0]?.message);
  try {
    return { image: parseExtraImage(entry.data.image), roles: entry.data.roles ?? [] };
  } catch (error) {
    return refuse(reasonOf(error));
  }
});
