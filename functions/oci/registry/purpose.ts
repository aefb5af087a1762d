import type { Manifest } from '../spec/manifest.ts';

/** The purpose of a request. Decides the name of its failure, and the text of the message. */
export interface Purpose {
  /** Begins the message, and is followed by the repository: "pull manifest 1.2.3 of", "start an upload to". */
  readonly doing: string;
  readonly repository: string;
  readonly writes: boolean;
  /** The manifest, if the request pushes one. */
  readonly manifest?: Manifest;
}
