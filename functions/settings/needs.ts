import * as z from 'zod';
import { FactoryError, type Problem } from '../errors.ts';
import { type Digest, isDigest } from '../oci/spec/digest.ts';
import { parsePlatform } from '../oci/spec/platform.ts';
import { isObject, parseJson } from '../text/json.ts';
import { parseExtraImage } from './extra-image.ts';
import { imageRole, listedImage } from './listed-image.ts';
import { countProblems, problemsOf, reasonOf, render } from './problems.ts';
import { parsed } from './value-schemas.ts';

const name = 'harness-ci-image-factory/needs/';
/** The version of the document. Documents of a later version are refused. */
export const needsSchema = `${name}v1`;

const maxImages = 1_000;
const listText = `a list of at most ${maxImages} images`;

const asText = (allowed: string, parse: (text: string) => unknown) =>
  parsed(allowed, (text) => {
    parse(text);
    return text;
  });

const digest = z.custom<Digest>((value) => typeof value === 'string' && isDigest(value), {
  error: 'a digest (sha256:<64 hex>)',
});

/** The document, without what its reader does not know. */
export const needs = z.object(
  {
    schema: z.literal(needsSchema),
    images: z
      .array(
        z.object({
          image: asText('an image name such as harness/ci-addon:1.18.27', parseExtraImage),
          roles: z.array(imageRole, { error: 'a list of fields' }).optional(),
        }),
        { error: listText },
      )
      .max(maxImages, { error: listText }),
    platforms: z.array(asText('os/architecture[/variant], such as linux/amd64', parsePlatform)).optional(),
    /** Blobs of these images that a registry lacks, because a bundle left them out. */
    absent: z.array(digest).optional(),
  },
  { error: 'a JSON object' },
);

/** The images that a place without a connection needs: `needs.json`. */
export type Needs = z.output<typeof needs>;

/** Returns the text of `needs.json`. */
export function formatNeeds(needs: Omit<Needs, 'schema'>): string {
  return `${JSON.stringify({ schema: needsSchema, ...needs }, null, 2)}\n`;
}

/** The keys of an execution input that a list of images stands for. */
export interface ListInput {
  images: unknown[];
  platforms?: string[];
}

/**
 * Reads a list of images: `needs.json`, or one name on each line with comments after `#`. `place` names the file in
 * problems.
 *
 * @throws {FactoryError} `InvalidInput` with every problem, each with its line or its path.
 */
export function parseImageList(text: string, place: string): ListInput {
  const { images, platforms } = /^\s*[{[]/.test(text) ? parseNeeds(text, place) : { images: parseLines(text, place) };
  if (images.length === 0)
    throw invalid(place, [{ path: place, found: 'no image', allowed: 'one image name on each line, or needs.json' }]);
  return { images, ...(platforms && { platforms }) };
}

/** Reads `needs.json`. Throws `InvalidInput`. */
function parseNeeds(text: string, place: string): Needs {
  const value = jsonOf(text, place);
  const given = isObject(value) ? value['schema'] : undefined;
  if (typeof given === 'string' && given.startsWith(name) && given !== needsSchema) {
    throw new FactoryError('InvalidInput', `${place} has the schema ${render(given)}: it was made by a newer factory`, {
      hint: 'Use the release that wrote it, or a newer one.',
    });
  }
  const document = needs.safeParse(value);
  if (document.success) return document.data;
  throw invalid(
    place,
    problemsOf(document.error, value, []).map((problem) => ({ ...problem, path: `${place} ${problem.path}` })),
  );
}

function jsonOf(text: string, place: string): unknown {
  try {
    return parseJson(text);
  } catch (cause) {
    throw new FactoryError('InvalidInput', `${place} is not JSON: ${(cause as Error).message}`, {
      hint: 'Write one image name on each line, or pass needs.json as "factory plan --needs" wrote it.',
      cause,
    });
  }
}

function parseLines(text: string, place: string): string[] {
  const problems: Problem[] = [];
  const images = text.split(/\r\n|[\r\n]/).flatMap((line, index) => {
    const image = line.replace(/(?:^|\s)#.*$/, '').trim();
    if (image === '') return [];
    const read = listedImage.safeParse(image);
    if (read.success) return [image];
    const allowed = 'an image name such as harness/ci-addon:1.18.27, or a comment after #';
    problems.push({ path: `${place}:${index + 1}`, found: render(image), allowed, ...reasonFor(image) });
    return [];
  });
  if (images.length > maxImages) problems.push({ path: place, found: `${images.length} images`, allowed: listText });
  if (problems.length > 0) throw invalid(place, problems);
  return [...new Set(images)];
}

function reasonFor(image: string): { reason?: string } {
  try {
    parseExtraImage(image);
    return {};
  } catch (error) {
    const reason = reasonOf(error);
    return reason === undefined ? {} : { reason };
  }
}

function invalid(place: string, problems: Problem[]): FactoryError {
  return new FactoryError('InvalidInput', `${place} has ${countProblems(problems)}`, {
    hint: 'Correct the list of images.',
    problems,
  });
}
