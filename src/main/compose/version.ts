/** The version of KMM, as the build set it from package.json. */
export const version: string = process.env['KMM_VERSION'] ?? '0.1.0'
