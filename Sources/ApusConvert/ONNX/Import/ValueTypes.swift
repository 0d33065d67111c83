import ApusGraph

extension ModelBuilder {
  /// Takes a value's type from the file where inference found none.
  func fallBack(to declared: ValueType?, for value: ValueReference) {
    guard let declared, self.value(value).constant == nil, type(of: value) == nil else { return }
    setType(declared, of: value)
    setInferredType(declared, of: value)
  }

  /// The type that an output of a graph shows: what inference found, with the file's names for extents that it could not tell.
  ///
  /// Files are often wrong about their outputs (traced with one size, then made dynamic), and a promise that a run does not
  /// keep is worse than none: an extent that inference leaves open stays so unless the file gives it a name of its own.
  func settleOutputType(_ output: ValueReference, declared: ValueType?) {
    guard value(output).constant == nil, !definition.graphs[Int(output.graph)].inputs.contains(output.id) else { return }
    guard let inferred = type(of: output) else { return setType(declared, of: output) }
    guard case .tensor(var result) = inferred, case .tensor(let stated) = declared, stated.elementType == result.elementType,
      let statedShape = stated.shape
    else { return setType(inferred, of: output) }
    guard var shape = result.shape else { return setType(declared, of: output) }
    if statedShape.rank == shape.rank {
      for axis in 0..<shape.rank where shape[axis] == .unknown {
        if case .symbol(let id) = statedShape[axis], !isInputSymbol(id) { shape[axis] = .symbol(id) }
      }
    }
    result.shape = shape
    setType(.tensor(result), of: output)
  }

  private func isInputSymbol(_ symbol: SymbolID) -> Bool {
    definition.graphs[0].inputs.contains { id in
      definition.graphs[0].values[Int(id)].type?.tensor?.shape?.dimensions.contains(.symbol(symbol)) ?? false
    }
  }
}
