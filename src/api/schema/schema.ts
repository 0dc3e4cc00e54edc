/** A JSON value as the Kubernetes API carries it. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json }

export type JsonType = 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean'

/** A rule in the Common Expression Language that the API server evaluates for an object. */
export interface ValidationRule {
  rule: string
  message?: string
}

/** A structural schema of `apiextensions.k8s.io/v1`, limited to the keywords that KMM's resources use. */
export interface StructuralSchema {
  description?: string
  type?: JsonType
  format?: string
  properties?: Record<string, StructuralSchema>
  required?: string[]
  additionalProperties?: StructuralSchema
  items?: StructuralSchema
  default?: Json
  nullable?: boolean
  enum?: Json[]
  pattern?: string
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  minItems?: number
  maxItems?: number
  minProperties?: number
  maxProperties?: number
  anyOf?: StructuralSchema[]
  'x-kubernetes-int-or-string'?: boolean
  'x-kubernetes-preserve-unknown-fields'?: boolean
  'x-kubernetes-embedded-resource'?: boolean
  'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map'
  'x-kubernetes-list-map-keys'?: string[]
  'x-kubernetes-map-type'?: 'atomic' | 'granular'
  'x-kubernetes-validations'?: ValidationRule[]
}
