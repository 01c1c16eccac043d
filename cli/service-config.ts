export interface ServiceConfig {
  /** A third-party adapter: a path, or a package's name, whose default export makes one. */
  adapter?: string
}
