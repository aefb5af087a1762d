import { config } from 'zod';

/** A run parses few documents of each kind, and compiling a parser for each kind takes longer than that. */
config({ jitless: true });
