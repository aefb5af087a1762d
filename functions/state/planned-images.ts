import type { Report } from './documents.ts';

/** The images of a plan, as texts with commas between them: what a pipeline of Harness can pass on. */
export interface PlannedImages {
  /** Those that a sync would copy, and those of fields that it would switch. */
  images: string;
  /** Only those of fields that it would switch. */
  toSwitch: string;
}

export const imageLists = ['images', 'toSwitch'] as const satisfies readonly (keyof PlannedImages)[];

/** Returns the images of a plan by name, `harness/ci-addon:1.18.22`. No name has a comma. */
export function plannedImages({ images, config }: Pick<Report, 'images' | 'config'>): PlannedImages {
  const values = new Set(config.flatMap(({ status, to }) => (status === 'planned' && to !== null ? [to] : [])));
  const isSwitched = ({ image, target }: Report['images'][number]) => values.has(target) || values.has(image);
  const names = (some: Report['images']) => [...new Set(some.map(({ image }) => image))].join(',');
  return {
    images: names(images.filter((image) => image.status === 'planned' || isSwitched(image))),
    toSwitch: names(images.filter(isSwitched)),
  };
}
