import ApusGraph

extension ModelImport {
  /// Binds what the file leaves open of inputs' shapes to extents that the caller chose. A symbolic dimension gets its extent
  /// wherever it stands.
  ///
  /// - Throws: `unknownName` for names that are no inputs, `shapeMismatch` for shapes that contradict the file or each other.
  func fixShapes(_ shapes: [Name: [Int]], of graph: ONNXGraphProto) throws(ApusError) {
    let constants = Set(graph.initializer.map { Name($0.name) })
    let inputs = graph.input.filter { !constants.contains(Name($0.name)) }
    for (name, extents) in shapes.sorted(by: { $0.key < $1.key }) {
      guard let info = inputs.first(where: { Name($0.name) == name }) else {
        throw ApusError(
          .unknownName, "the model has no input of this name to give a shape to", tensorName: name.string,
          expected: inputs.map(\.name).joined(separator: ", "))
      }
      guard case .tensorType(let type) = info.type.value, extents.allSatisfy({ $0 >= 0 }) else {
        throw ApusError(
          .shapeMismatch, "a shape for an input that is no tensor, or with a negative extent", tensorName: name.string,
          actual: Shape(extents).text(symbols: []))
      }
      if type.hasShape { try bind(type.shape, to: extents, name) }
      fixedShapes[name] = Shape(extents)
    }
  }

  private func bind(_ shape: ONNXTensorShapeProto, to extents: [Int], _ name: Name) throws(ApusError) {
    guard shape.dim.count == extents.count else {
      throw ApusError(
        .shapeMismatch, "the input has another number of axes", tensorName: name.string, expected: "\(shape.dim.count)",
        actual: "\(extents.count)")
    }
    for (axis, dimension) in shape.dim.enumerated() {
      let stated: Int? =
        switch dimension.value {
        case .dimValue(let extent) where extent >= 0: Int(exactly: extent)
        case .dimParam(let symbol) where !SymbolTable.saysNothing(Name(symbol)):
          builder.symbols.bind(Name(symbol), to: extents[axis])
        default: nil
        }
      guard stated ?? extents[axis] == extents[axis] else {
        throw ApusError(
          .shapeMismatch, "axis \(axis) of the input has another extent already", tensorName: name.string,
          expected: "\(stated ?? 0)", actual: "\(extents[axis])")
      }
    }
  }
}
