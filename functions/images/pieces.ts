import { FactoryError } from '../errors.ts';
import type { Piece } from '../oci/spec/image.ts';
import { formatReference } from '../oci/spec/reference.ts';
import type { PlannedImage } from '../state/documents.ts';

/** The number of pieces that a message names. */
const shownPieces = 8;

/** Names the pieces that an image lacks: `blob sha256:…, manifest sha256:…`. */
export function describePieces(pieces: readonly Piece[]): string {
  const more = pieces.length - shownPieces;
  const shown = pieces.slice(0, shownPieces).map(({ kind, digest }) => `${kind} ${digest}`);
  return shown.join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/** The failure to copy again what an image lacks, with what that is. */
export function unrepaired(
  { target, missing = [] }: Pick<PlannedImage, 'target' | 'missing'>,
  error: FactoryError,
): FactoryError {
  const { name, message, hint, topic } = error;
  const lost = `${formatReference(target)} lacks ${describePieces(missing)}, which could not be copied again`;
  return new FactoryError(name, `${lost}: ${message}`, { hint, topic, cause: error });
}
