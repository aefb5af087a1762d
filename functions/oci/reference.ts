/** The names of registries, repositories and images, for code outside this repository that reads them as we do. */
export * from './spec/reference.ts';
