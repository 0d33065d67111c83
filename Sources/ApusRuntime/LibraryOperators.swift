extension LoadOptions {
  /// What the C library loads models with. For libapus-full and for a libapus of chosen operators, tools/build-libapus
  /// compiles another definition in this one's place.
  public static let library = LoadOptions(registry: .core, bindings: .core)
}
