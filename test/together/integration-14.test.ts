import { together } from './together.ts';

together('integration', 14);
