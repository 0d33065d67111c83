/// The operators that a model may use: a value given at load, never a process global.
public struct OperatorRegistry: Sendable {
  public let schemas: [OperatorSchema]
  /// Which operators these are.
  public let pack: OperatorPack
  /// (domain, name) of `schemas`, sorted, for binary search; positions of equal names are next to each other.
  private let order: [Int]

  /// - Throws: `invalid_argument` where two schemas have the same domain, name and version.
  public init(_ schemas: [OperatorSchema]) throws(ApusError) {
    self.init(schemas, pack: .custom)
    for position in order.indices.dropFirst() {
      let a = schemas[order[position - 1]]
      let b = schemas[order[position]]
      guard a.domain == b.domain, a.name == b.name else { continue }
      for version in a.versions where b.versions.contains(version) {
        throw ApusError(
          .invalidArgument, "operator is registered twice",
          operatorName: a.domain.string + "." + a.name.string + "-\(version)")
      }
    }
  }

  /// Of schemas that are known to be different.
  package init(_ schemas: [OperatorSchema], pack: OperatorPack) {
    self.schemas = schemas
    self.pack = pack
    order = sortedOrder(schemas.count) { OperatorRegistry.precedes(schemas[$0], schemas[$1].domain, schemas[$1].name) }
  }

  private static func precedes(_ schema: OperatorSchema, _ domain: Name, _ name: Name) -> Bool {
    schema.domain == domain ? schema.name < name : schema.domain < domain
  }

  /// What inference needs: the operators that `libapus` ships. Each family is listed beside its definitions.
  public static let core = OperatorRegistry(
    elementwise + quantization + random + reduction + normalization + loss + shape + indexing + resampling
      + convolution + pooling + matrix + attention + recurrent + signal + controlFlow + sequences,
    pack: .core)

  /// `core`, and what rarely runs on a device: strings, ai.onnx.ml, image decoding, preview and training operators.
  public static let full = OperatorRegistry(
    core.schemas + strings + machineLearning + training + imageDecoding, pack: .full)

  /// The position in `schemas` of the operator that a node names, or nil.
  public func index(domain: Name, name: Name, version: Int32) -> Int? {
    var low = 0
    var high = order.count
    while low < high {
      let middle = low + (high - low) / 2
      if OperatorRegistry.precedes(schemas[order[middle]], domain, name) { low = middle + 1 } else { high = middle }
    }
    while low < order.count {
      let schema = schemas[order[low]]
      guard schema.domain == domain, schema.name == name else { return nil }
      if schema.versions.contains(version) { return order[low] }
      low += 1
    }
    return nil
  }

  /// The schemas of an operator: one for each group of versions.
  public func schemas(domain: Name, name: Name) -> [OperatorSchema] {
    var low = 0
    var high = order.count
    while low < high {
      let middle = low + (high - low) / 2
      if OperatorRegistry.precedes(schemas[order[middle]], domain, name) { low = middle + 1 } else { high = middle }
    }
    var found: [OperatorSchema] = []
    while low < order.count, schemas[order[low]].domain == domain, schemas[order[low]].name == name {
      found.append(schemas[order[low]])
      low += 1
    }
    return found
  }

  /// The schema of a node.
  /// - Throws: `unsupported_operator`, naming the versions that are registered.
  public func schema(of node: Node) throws(ApusError) -> OperatorSchema {
    if let index = index(domain: node.domain, name: node.operatorName, version: node.sinceVersion) { return schemas[index] }
    var known = ""
    for schema in schemas where schema.domain == node.domain && schema.name == node.operatorName {
      for version in schema.versions {
        if !known.utf8.isEmpty { known += ", " }
        known += "\(version)"
      }
    }
    if known.utf8.isEmpty {
      throw ApusError(
        .unsupportedOperator, "this build has no such operator" + pack.advice(node.domain, node.operatorName),
        operatorName: node.label)
    }
    throw ApusError(
      .unsupportedOperator, "this build has the operator in other versions", operatorName: node.label, expected: known,
      actual: "\(node.sinceVersion)")
  }
}
