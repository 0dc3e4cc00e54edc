/** The image label that says by which certificate an image's modules are signed: the SHA-256 of its DER form, hexadecimal. */
export const signedByLabel = 'kmm.sigs.x-k8s.io/signed-by'
