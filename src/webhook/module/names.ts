const namePattern = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/
const subdomainPattern = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/
const mostLabel = 63
const mostSubdomain = 253

const isName = (text: string): boolean => text.length <= mostLabel && namePattern.test(text)

/** True for a DNS-1123 subdomain (Kubernetes: validation.IsDNS1123Subdomain). */
export function isDnsSubdomain(text: string): boolean {
  return text.length <= mostSubdomain && subdomainPattern.test(text)
}

/** True for a key of a label or taint: a name, with or without a DNS prefix (Kubernetes: validation.IsQualifiedName). */
export function isQualifiedName(text: string): boolean {
  const parts = text.split('/')
  const [first = '', second] = parts
  if (second === undefined) return isName(first)
  return parts.length === 2 && isDnsSubdomain(first) && isName(second)
}

/** True for a label's value; it may be empty (Kubernetes: validation.IsValidLabelValue). */
export function isLabelValue(text: string): boolean {
  return text === '' || isName(text)
}
